import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../../dist', import.meta.url));
const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
/** Nothing of these runs in a cell. */
const ASIDE = ['simulator', join('drills', 'bench'), join('drills', 'matrix'), join('cli', 'plan'), 'plan', 'facts'];

/** Names what a cell runs, by content: a change of a text or a test makes no proof void, one of a program does. */
export function buildId(): string {
  const hash = createHash('sha256');
  for (const [root, ending] of [
    [DIST, '.js'],
    [EXAMPLES, ''],
  ] as const) {
    const names = readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((it) => it.isFile() && it.name.endsWith(ending) && !it.name.endsWith('.md'))
      .map((it) => join(it.parentPath, it.name))
      .toSorted();
    for (const name of names) {
      const path = name.slice(root.length + 1);
      if (root === DIST && ASIDE.some((folder) => path.startsWith(`${folder}/`))) continue;
      hash.update(`${path}\0`).update(readFileSync(name)).update('\0');
    }
  }
  return hash.digest('hex').slice(0, 12);
}
