import { closeSync, openSync, readSync } from 'node:fs';

/** https://www.sqlite.org/fileformat2.html#the_write_ahead_log */
const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The last bit says how checksums read their words: 0 little-endian, 1 big-endian. */
const MAGIC = 0x377f0682;

interface Sum {
  readonly a: number;
  readonly b: number;
}

/**
 * Whether commits in a write-ahead log were damaged on disk. SQLite cannot tell that from a commit that a power
 * cut interrupted: it silently forgets everything behind the first frame whose checksum is wrong. But each commit
 * is on the disk before the next one begins (`synchronous=FULL`), so only the last one may be torn: a second
 * commit from a wrong frame on means that a finished one is gone.
 * @param file the log; it is only read
 */
export function isWalDamaged(file: string): boolean {
  const fd = openSync(file, 'r');
  try {
    return lostCommits(fd);
  } finally {
    closeSync(fd);
  }
}

function lostCommits(fd: number): boolean {
  const header = Buffer.alloc(HEADER_BYTES);
  // Empty, or cut off or not yet written when it was made: there is nothing in it.
  if (!fill(fd, header, 0) || header.every((byte) => byte === 0)) return false;
  const bigEndian = isBigEndian(header);
  if (bigEndian === undefined) return true;
  const start = checksum({ a: 0, b: 0 }, header.subarray(0, HEADER_BYTES - 8), bigEndian);
  if (!isSum(start, header, HEADER_BYTES - 8)) return true;
  return commitsFromDamageOn(fd, header, start, bigEndian) > 1;
}

function isBigEndian(header: Buffer): boolean | undefined {
  const magic = header.readUInt32BE(0);
  return (magic & 0xfffffffe) >>> 0 === MAGIC ? (magic & 1) === 1 : undefined;
}

/** Frames of an earlier round through the same file carry other salts: they are not counted. */
function commitsFromDamageOn(fd: number, header: Buffer, start: Sum, bigEndian: boolean): number {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + header.readUInt32BE(8));
  let [before, damaged, commits] = [start, false, 0];
  for (let at = HEADER_BYTES; fill(fd, frame, at); at += frame.length) {
    const salted = frame.compare(header, 16, 24, 8, 16) === 0;
    const head = checksum(before, frame.subarray(0, 8), bigEndian);
    damaged ||= !salted || !isSum(checksum(head, frame.subarray(FRAME_HEADER_BYTES), bigEndian), frame, 16);
    // Its second word is the database's size in pages: only the last frame of a commit has one.
    if (damaged && salted && frame.readUInt32BE(4) !== 0) commits++;
    before = { a: frame.readUInt32BE(16), b: frame.readUInt32BE(20) };
  }
  return commits;
}

function checksum({ a, b }: Sum, bytes: Buffer, bigEndian: boolean): Sum {
  const word = (at: number) => (bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at));
  for (let at = 0; at < bytes.length; at += 8) {
    a = (a + word(at) + b) >>> 0;
    b = (b + word(at + 4) + a) >>> 0;
  }
  return { a, b };
}

const isSum = ({ a, b }: Sum, bytes: Buffer, at: number): boolean =>
  bytes.readUInt32BE(at) === a && bytes.readUInt32BE(at + 4) === b;

/** @returns false when the file ends before */
const fill = (fd: number, buffer: Buffer, at: number): boolean =>
  readSync(fd, buffer, 0, buffer.length, at) === buffer.length;
