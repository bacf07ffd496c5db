export interface CpioEntry {
  readonly path: string;
  /** File type and permissions, as in `st_mode`. */
  readonly mode: number;
  readonly contents?: Buffer;
}

/** An archive in the "new ASCII" format of cpio(5), which the kernel unpacks. All of it is root's. */
export const cpio = (entries: readonly CpioEntry[]): Buffer =>
  Buffer.concat([...entries, { path: "TRAILER!!!", mode: 0 }].map(archived));

const archived = ({ path, mode, contents = Buffer.alloc(0) }: CpioEntry, index: number): Buffer => {
  const name = Buffer.from(`${path}\0`);
  const fields = [index + 1, mode, 0, 0, 1, 0, contents.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(contents)]);
};

const padded = (part: Buffer): Buffer => Buffer.concat([part, Buffer.alloc(-part.length & 3)]);
