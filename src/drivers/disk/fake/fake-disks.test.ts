import { diskConformance, diskGrowthConformance } from "../disk-conformance.ts";
import { createFakeDisks } from "./fake-disks.ts";

const disks = createFakeDisks();
const subject = { driver: () => disks, image: "/images/some.qcow2" };
diskConformance("fake disks", subject);
diskGrowthConformance("fake disks", { ...subject, sizeOf: async (id) => disks.sizeOf(id) });
