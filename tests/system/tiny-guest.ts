import { writeFile, rm } from "node:fs/promises";
import { run } from "#drivers/linux/commands.ts";

/** A bootable qcow2 disk whose guest prints `croft login: ` within a second and powers off when the button is pressed. */
export const bakeTinyGuest = (path: string): Promise<void> =>
  bake(path, Buffer.concat([assembled(bootSectorListing), Buffer.from("croft login: \0")]));

const bake = async (path: string, code: Buffer): Promise<void> => {
  const raw = `${path}.raw`;
  await writeFile(raw, bootDisk(code));
  await run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, path]);
  await rm(raw);
};

/** A bootable qcow2 disk whose guest writes it from its second mebibyte on, 64 KiB at a time, without end. */
export const bakeWritingGuest = (path: string): Promise<void> => bake(path, assembled(writingListing));

/**
 * A bootable qcow2 disk whose guest counts: it writes each number (32 bits) to the second mebibyte of its first disk, then to that of
 * its second, without end.
 */
export const bakeCountingGuest = (path: string): Promise<void> => bake(path, assembled(countingListing));

/**
 * A bootable qcow2 disk whose guest keeps a log of records, one in each sector (`recordOf`) from the second mebibyte on: each goes to
 * its first disk, then to its second, and when both have said that it is there for good, the guest prints its number. After a boot it
 * goes on behind the last that its first disk holds. The BIOS offers QEMU no flush, so QEMU flushes each write before it says so.
 */
export const bakeRecordingGuest = (path: string): Promise<void> => bake(path, assembled(recordingListing));

/** Words of 32 bits: its number (from 1 on), what follows from that (a congruential generator), and what makes their sum 0. */
export const recordOf = (number: number): Buffer => {
  const words = new Uint32Array(SECTOR_BYTES / 4);
  let [word, sum] = [number, 0];
  for (let n = 0; n < words.length - 1; n++) {
    words[n] = word;
    sum += word;
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
  }
  words[words.length - 1] = -sum;
  return Buffer.from(words.buffer);
};
export const recordAt = (number: number): number => (2048 + number) * SECTOR_BYTES;
const SECTOR_BYTES = 512;

/** A kernel that prints its own command line and then does nothing. */
export const bakeTinyKernel = (path: string): Promise<void> =>
  writeFile(path, kernel(kernelListing + haltListing));

/** A kernel that prints its command line and then refuses to be booted, as an initrd does whose disk has changed. */
export const bakeRefusingKernel = (path: string): Promise<void> =>
  writeFile(path, kernel(kernelListing + refusalListing));

/** A kernel that never rests. */
export const bakeBusyKernel = (path: string): Promise<void> =>
  writeFile(path, kernel("\n  eb fe  busy: jmp busy\n"));

/** The firmware loads it at 0x7c00 and runs it in real mode. */
const bootSectorListing = `
  # Print the text at the end, character by character, when the UART's line status (0x3fd) says it has room.
  fa          cli
  31 c0       xor ax, ax
  8e d8       mov ds, ax
  be 3f 7c    mov si, text
  ac          next: lodsb
  84 c0       test al, al
  74 12       jz ready
  88 c4       mov ah, al
  ba fd 03    mov dx, 0x3fd
  ec          full: in al, dx
  a8 20       test al, 0x20
  74 fb       jz full
  88 e0       mov al, ah
  ba f8 03    mov dx, 0x3f8
  ee          out dx, al
  eb e9       jmp next

  # Mask ACPI's interrupt (9) and enable the event of the power button (PM1_EN, 0x602, bit 8).
  e4 a1       ready: in al, 0xa1
  0c 02       or al, 2
  e6 a1       out 0xa1, al
  ba 02 06    mov dx, 0x602
  b8 00 01    mov ax, 0x100
  ef          out dx, ax

  # At every tick of the timer, look whether it was pressed (PM1_STS, 0x600, bit 8).
  fb          wait: sti
  f4          hlt
  ba 00 06    mov dx, 0x600
  ed          in ax, dx
  f6 c4 01    test ah, 1
  74 f5       jz wait

  # Power off (PM1_CNT, 0x604: SLP_EN).
  ba 04 06    mov dx, 0x604
  b8 00 20    mov ax, 0x2000
  ef          out dx, ax
  f4          hlt
`;

/** By the BIOS's extended write (int 0x13, 0x43), of the memory at 0x10000. */
const writingListing = `
  fa                   cli
  31 c0                xor ax, ax
  8e d8                mov ds, ax
  8e d0                mov ss, ax
  bc 00 7c             mov sp, 0x7c00
  fb                   sti
  be 22 7c             next: mov si, packet
  b8 00 43             mov ax, 0x4300
  b2 80                mov dl, 0x80
  cd 13                int 0x13
  81 06 2a 7c 80 00    add word [packet+8], 128
  83 16 2c 7c 00       adc word [packet+10], 0
  eb e9                jmp next
  10 00 80 00          packet: 16 bytes, 128 sectors
  00 00 00 10          of 0x1000:0
  00 08 00 00          to sector 2048
  00 00 00 00
`;

/** By the same, of the sector that begins with the counter. */
const countingListing = `
  fa                   cli
  31 c0                xor ax, ax
  8e d8                mov ds, ax
  8e d0                mov ss, ax
  bc 00 7c             mov sp, 0x7c00
  fb                   sti
  66 ff 06 36 7c       next: inc dword [counter]
  be 26 7c             mov si, packet
  b8 00 43             mov ax, 0x4300
  b2 80                mov dl, 0x80
  cd 13                int 0x13
  be 26 7c             mov si, packet
  b8 00 43             mov ax, 0x4300
  b2 81                mov dl, 0x81
  cd 13                int 0x13
  eb e5                jmp next
  10 00 01 00          packet: 16 bytes, 1 sector
  36 7c 00 00          of 0:counter
  00 08 00 00          to sector 2048
  00 00 00 00
  00 00 00 00          counter
`;

/** By the same, and the extended read (0x42), of the sector at 0x8000. */
const recordingListing = `
  fa                   cli
  31 c0                xor ax, ax
  8e d8                mov ds, ax
  8e c0                mov es, ax
  8e d0                mov ss, ax
  bc 00 7c             mov sp, 0x7c00
  fb                   sti

  # Halve what is left of 2^20 records until it is known how many the first disk holds (ebx).
  66 bd 00 00 08 00    mov ebp, 0x80000
  66 31 db             xor ebx, ebx
  67 66 8d 3c 2b       look: lea edi, [ebx+ebp]
  66 89 f8             mov eax, edi
  e8 7e 00             call place
  b4 42                mov ah, 0x42
  b2 80                mov dl, 0x80
  e8 6d 00             call disk
  66 39 3e 00 80       cmp [0x8000], edi
  75 03                jne less
  66 89 fb             mov ebx, edi
  66 d1 ed             less: shr ebp, 1
  75 df                jnz look

  # Its last may not have come to the second: begin with that. Make the record, and write it to both.
  66 85 db             test ebx, ebx
  75 02                jnz record
  66 43                next: inc ebx
  66 89 d8             record: mov eax, ebx
  e8 5b 00             call place
  bf 00 80             mov di, 0x8000
  66 89 d8             mov eax, ebx
  66 31 d2             xor edx, edx
  b9 7f 00             mov cx, 127
  66 ab                fill: stosd
  66 01 c2             add edx, eax
  66 69 c0 0d 66 19 00 imul eax, eax, 1664525
  66 05 5f f3 6e 3c    add eax, 1013904223
  e2 ec                loop fill
  66 92                xchg edx, eax
  66 f7 d8             neg eax
  66 ab                stosd
  b4 43                mov ah, 0x43
  b2 80                mov dl, 0x80
  e8 23 00             call disk
  b4 43                mov ah, 0x43
  b2 81                mov dl, 0x81
  e8 1c 00             call disk

  # Print its number, as eight hexadecimal digits, on a line.
  b9 08 00             mov cx, 8
  66 c1 c3 04          digit: rol ebx, 4
  88 d8                mov al, bl
  24 0f                and al, 15
  3c 0a                cmp al, 10
  1c 69                sbb al, 0x69
  2f                   das
  e8 1e 00             call put
  e2 ee                loop digit
  b0 0a                mov al, 10
  e8 17 00             call put
  eb a7                jmp next

  # A disk that refuses is the end: nothing is said to be there.
  b0 00                disk: mov al, 0
  be bb 7c             mov si, packet
  cd 13                int 0x13
  72 fe                refused: jc refused
  c3                   ret

  66 05 00 08 00 00    place: add eax, 2048
  66 a3 c3 7c          mov [packet+8], eax
  c3                   ret

  88 c4                put: mov ah, al
  ba fd 03             mov dx, 0x3fd
  ec                   full: in al, dx
  a8 20                test al, 0x20
  74 fb                jz full
  88 e0                mov al, ah
  ba f8 03             mov dx, 0x3f8
  ee                   out dx, al
  c3                   ret

  10 00 01 00          packet: 16 bytes, 1 sector
  00 80 00 00          of 0:0x8000
  00 00 00 00          to its place
  00 00 00 00
`;

/** By the Multiboot specification it is loaded where its header says, and given a table (ebx) with its command line. */
const kernelListing = `
  8b 73 10       mov esi, [ebx+16]
  ac             next: lodsb
  84 c0          test al, al
  74 14          jz done
  88 c4          mov ah, al
  66 ba fd 03    mov dx, 0x3fd
  ec             full: in al, dx
  a8 20          test al, 0x20
  74 fb          jz full
  88 e0          mov al, ah
  66 ba f8 03    mov dx, 0x3f8
  ee             out dx, al
  eb e7          jmp next
`;

const haltListing = `
  f4             done: hlt
  eb fd          jmp done
`;

/** Write to the second serial port, then power off as above. */
const refusalListing = `
  b9 10 00 00 00 done: mov ecx, 16
  b0 46          mov al, 'F'
  66 ba f8 02    mov dx, 0x2f8
  ee             more: out dx, al
  e2 fd          loop more
  66 ba 04 06    mov dx, 0x604
  66 b8 00 20    mov ax, 0x2000
  66 ef          out dx, ax
  f4             hlt
`;

const assembled = (listing: string): Buffer => {
  const lines = listing.matchAll(/^ {2}((?:[\da-f]{2} )+)/gm);
  return Buffer.concat([...lines].map(([, bytes = ""]) => Buffer.from(bytes.replaceAll(" ", ""), "hex")));
};

const kernel = (listing: string): Buffer => {
  const [magic, flags, at] = [0x1bad_b002, 0x0001_0000, 0x0010_0000];
  const code = assembled(listing);
  const entry = at + 32;
  const end = entry + code.length;
  const header = Buffer.alloc(32);
  for (const [index, field] of [magic, flags, -(magic + flags) >>> 0, at, at, end, end, entry].entries())
    header.writeUInt32LE(field, 4 * index);
  return Buffer.concat([header, code]);
};

/** 1 MiB: the firmware reads no disk of less than one of its cylinders. */
const bootDisk = (code: Buffer): Buffer => {
  const disk = Buffer.alloc(1024 * 1024);
  disk.set(code);
  disk.set([0x55, 0xaa], 510);
  return disk;
};
