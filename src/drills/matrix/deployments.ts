import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Document, isMap, isSeq, parseDocument, YAMLMap } from 'yaml';

export const MODES = ['async', 'sync', 'semi-sync'] as const;
export const STORES = ['embedded', 'etcd'] as const;
export type Mode = (typeof MODES)[number];
export type Store = (typeof STORES)[number];

/** An example in one mode, on one store. */
export interface Deployment {
  readonly specPath: string;
  readonly example: string;
  readonly mode: Mode;
  readonly store: Store;
}

/** Null when the example can't have it: with two regions `semi-sync` is `sync` (P11.2). */
export function derive(text: string, mode: Mode, store: Store): string | null {
  const file = parseDocument(text);
  const regions = mapsOf(file, 'regions');
  if (mode === 'semi-sync' && regions.length < 3) return null;
  setMode(file, mode);
  // One member on the site and one in each of two regions: the loss of any of them leaves a majority (P11.1).
  const members = store === 'etcd' ? [...mapsOf(file, 'sites').slice(0, 1), ...regions.slice(0, 2)] : [];
  if (store === 'embedded') for (const region of regions) region.delete('store');
  for (const member of members) member.set('store', true);
  return file.toString();
}

function setMode(file: Document, mode: Mode): void {
  const path = ['database', 'replication'];
  const before = (name: string): unknown => file.getIn([...path, name]);
  const regions = mapsOf(file, 'regions').length;
  const blocks = mode !== 'async' && regions > 2 && before('whenAlone') === 'block';
  file.setIn(path, {
    mode,
    ...(mode === 'semi-sync' ? { confirm: 1 } : {}),
    ...(mode === 'async' ? { maxLoss: '64MB', guard: 'none' } : {}),
    ...(blocks ? { whenAlone: 'block' } : { whenAlone: 'serve-with-rpo-suspended', rpoWhileDegraded: '24h' }),
  });
  // A lease in etcd ends later than in the embedded store, and later still on a busy machine: a loss that may be beyond the rpo is
  // left to a person, which is right and not what is tried here.
  file.setIn(['objectives', 'rpo'], mode === 'async' ? '10s' : '0s');
  if (mode === 'async') file.set('tier', 'high');
}

function mapsOf(file: Document, name: string): YAMLMap[] {
  const found = file.get(name);
  return isSeq(found) ? found.items.filter((item): item is YAMLMap => isMap(item)) : [];
}

/** Calls `work` with the path of the derived file. It lies beside what the example's folder holds: paths in it are relative. */
export async function withDerived(it: Deployment, work: (specPath: string) => Promise<void>): Promise<void> {
  const text = derive(readFileSync(it.specPath, 'utf8'), it.mode, it.store);
  if (text === null) return;
  const folder = dirname(it.specPath);
  const dir = mkdtempSync(join(tmpdir(), 'farshore-matrix-'));
  try {
    for (const name of readdirSync(folder))
      if (!name.endsWith('.yaml')) symlinkSync(join(folder, name), join(dir, name));
    const specPath = join(dir, `${it.example}-${it.mode}-${it.store}.yaml`);
    writeFileSync(specPath, text);
    await work(specPath);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
