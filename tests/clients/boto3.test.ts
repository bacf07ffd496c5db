import { realRegion } from "../real-region.ts";
import { boto3Tests } from "./boto3.ts";

// An interface that is detached at once, from a guest that still boots, does not come free: `second-interface.test.ts` has what does.
const leaves = ["ec2:AttachNetworkInterface", "ec2:DetachNetworkInterface"];
await boto3Tests({ ...(await realRegion()), consoleSays: "Linux version", leaves });
