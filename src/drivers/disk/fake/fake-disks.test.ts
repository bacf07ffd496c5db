import {
  diskBlockConformance,
  diskConformance,
  diskGrowthConformance,
  diskMergeConformance,
  diskWriteConformance,
} from "../disk-conformance.ts";
import { createFakeDisks } from "./fake-disks.ts";

const disks = createFakeDisks();
const subject = {
  driver: () => disks,
  image: "/images/some.qcow2",
  write: async (id: string, text: string, block?: number) => disks.write(id, text, block),
  read: async (id: string) => disks.read(id),
};
diskConformance("fake disks", subject);
diskMergeConformance("fake disks", subject);
diskBlockConformance("fake disks", subject);
diskWriteConformance("fake disks", subject);
diskGrowthConformance("fake disks", { ...subject, sizeOf: async (id) => disks.sizeOf(id) });
