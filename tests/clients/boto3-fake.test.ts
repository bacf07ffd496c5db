import { boto3Tests } from "./boto3.ts";
import { fakeRegion } from "./fake-region.ts";

// What boto3 is told by real machines it is told by fake ones.
await boto3Tests({
  ...(await fakeRegion()),
  consoleSays: "This machine is fake",
  diskUrls: ["http://images.example/disk.vmdk", "http://images.example/endless"],
});
