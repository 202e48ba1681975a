import { readFile, rename, writeFile } from 'node:fs/promises';

/** HAProxy's map in its file's words. */
export const mapText = (primary: string): string => `primary ${primary}\n`;

/** What HAProxy reads when it starts. Replaced whole, and only when it says something else. */
export async function keepMap(path: string, primary: string): Promise<void> {
  const held = await readFile(path, 'utf8').catch(() => '');
  if (held === mapText(primary)) return;
  await writeFile(`${path}.new`, mapText(primary), { mode: 0o600 });
  await rename(`${path}.new`, path);
}
