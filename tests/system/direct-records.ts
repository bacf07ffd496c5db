/**
 * Scripts for a Debian guest that go past its cache, for a disk that another guest has too. Record n is block n; it is on the disk
 * before the next is begun, and told of by one character.
 */
export const writeRecords = (device: string, from: number, to: number): string =>
  python(
    `file = os.open("${device}", os.O_WRONLY | os.O_DIRECT | os.O_DSYNC)`,
    `for n in range(${from}, ${to}):`,
    '  block[:] = (b"record %d\\n" % n).ljust(4096)',
    "  os.pwritev(file, [block], n * 4096)",
    '  print(".", end="", flush=True)',
  );

/** Prints what `records` are when all were written. */
export const readRecords = (device: string, from: number, to: number): string =>
  python(
    `file = os.open("${device}", os.O_RDONLY | os.O_DIRECT)`,
    `for n in range(${from}, ${to}):`,
    "  os.preadv(file, [block], n * 4096)",
    '  print(block[:].split(b"\\n")[0].decode())',
  );

export const records = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, n) => `record ${from + n}\n`).join("");

const python = (...lines: readonly string[]) =>
  `sudo python3 -c '${["import mmap, os", "block = mmap.mmap(-1, 4096)", ...lines].join("\n")}'`;
