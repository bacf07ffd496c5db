import { realRegion } from "../real-region.ts";
import { boto3Tests } from "./boto3.ts";

await boto3Tests({ ...(await realRegion()), consoleSays: "Linux version" });
