import {
  diskBlockConformance,
  diskConformance,
  diskGrowthConformance,
  diskKeyConformance,
  diskMergeConformance,
  diskWriteConformance,
} from "../disk-conformance.ts";
import { createFakeDisks } from "./fake-disks.ts";

const disks = createFakeDisks({
  openKey: (key) => {
    if (key === "disabled") throw new Error("the key may not be used");
    return key;
  },
});
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
diskKeyConformance("fake disks", subject, ["key-1", "key-2"]);
diskGrowthConformance("fake disks", { ...subject, sizeOf: async (id) => disks.sizeOf(id) });
