import { open, readFile, rm, stat } from "node:fs/promises";
import type { Picture } from "../machine-driver.ts";

/** What `draw` writes as a PPM into the file it is given open, at `path`, which is gone afterwards. */
export const pictureIn = async (path: string, draw: (fd: number) => Promise<void>): Promise<Picture> => {
  try {
    {
      await using file = await open(path, "w", 0o600);
      await draw(file.fd);
    }
    if ((await stat(path)).size > MAX_BYTES) throw new Error("the screen is larger than 2^20 pixels");
    return parsePpm(await readFile(path));
  } finally {
    await rm(path, { force: true });
  }
};

/** A binary PPM of the Netpbm family, as QEMU writes it. It comes from a process that serves a hostile guest. */
export const parsePpm = (file: Buffer): Picture => {
  const [header = "", width = "", height = ""] =
    /^P6\s(\d{1,5})\s(\d{1,5})\s255\s/.exec(file.subarray(0, 32).toString("latin1")) ?? [];
  const rgb = file.subarray(header.length);
  const picture = { width: Number(width), height: Number(height), rgb };
  if (rgb.length === 0 || rgb.length !== 3 * picture.width * picture.height)
    throw new Error("QEMU drew what is no picture");
  return picture;
};

/** As many pixels as the screen has in full colour; with fewer colours a guest can ask for more. */
const MAX_BYTES = 3 * 2 ** 20 + 32;
