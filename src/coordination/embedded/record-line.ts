import { crc32 } from 'node:zlib';

/** One line of a log or snapshot: eight hex digits of CRC-32, a space, JSON, a newline. */
export function encodeLine(value: unknown): Buffer {
  const json = JSON.stringify(value);
  return Buffer.from(`${checksum(json)} ${json}\n`, 'utf8');
}

/** The value of a line without its newline; undefined when the checksum does not match. */
export function decodeLine(line: Buffer): unknown {
  const text = line.toString('utf8');
  const json = text.slice(9);
  if (text[8] !== ' ' || text.slice(0, 8) !== checksum(json)) return undefined;
  return JSON.parse(json);
}

const checksum = (json: string): string => crc32(Buffer.from(json, 'utf8')).toString(16).padStart(8, '0');
