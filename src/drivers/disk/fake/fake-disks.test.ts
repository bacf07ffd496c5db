import { diskConformance, diskGrowthConformance } from "../disk-conformance.ts";
import { createFakeDisks } from "./fake-disks.ts";

const disks = createFakeDisks();
const subject = { driver: () => disks, image: "/images/some.qcow2" };
diskConformance("fake disks", {
  ...subject,
  write: async (id, text) => disks.write(id, text),
  read: async (id) => disks.read(id),
});
diskGrowthConformance("fake disks", { ...subject, sizeOf: async (id) => disks.sizeOf(id) });
