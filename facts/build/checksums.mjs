/**
 * Writes `facts/checksums.json`: the SHA-256 of each pack. `farshore facts verify` compares; a plan names the packs it was made from.
 *
 *   node facts/build/checksums.mjs
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const folder = new URL('../', import.meta.url);
const packs = readdirSync(folder).filter((name) => name.endsWith('.json') && name !== 'checksums.json');
const lines = packs.toSorted().map(
  (name) =>
    `  "${name}": "${createHash('sha256')
      .update(readFileSync(new URL(name, folder)))
      .digest('hex')}"`,
);
writeFileSync(new URL('checksums.json', folder), `{\n${lines.join(',\n')}\n}\n`);
