import { diskConformance } from "../disk-conformance.ts";
import { createFakeDisks } from "./fake-disks.ts";

const disks = createFakeDisks();
diskConformance("fake disks", { driver: () => disks, image: "/images/some.qcow2" });
