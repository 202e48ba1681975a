import { readFile, rename, writeFile } from 'node:fs/promises';
import { NOBODY, primaryKey } from './names.ts';

/** HAProxy's map in its file's words: a key and a value a line. */
export const mapText = (entries: ReadonlyMap<string, string>): string =>
  [...entries].map(([key, value]) => `${key} ${value}\n`).join('');

/** Where HAProxy starts from before anybody has told who may accept writes. */
export const nobodyWrites = (audiences: readonly { readonly name: string }[]): string =>
  mapText(new Map(audiences.map(({ name }) => [primaryKey(name), NOBODY])));

/** What HAProxy reads when it starts. Replaced whole, and only when it says something else. */
export async function keepText(path: string, text: string): Promise<void> {
  const held = await readFile(path, 'utf8').catch(() => '');
  if (held === text) return;
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
