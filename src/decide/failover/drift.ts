import type { NodeId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { Settings } from '../../ports/database.ts';
import type { Drift } from '../../ports/status.ts';
import type { Observation } from './observation.ts';

/** A standby with less of these stops replaying, or refuses to start. */
const NOT_BELOW = [
  'max_connections',
  'max_wal_senders',
  'max_locks_per_transaction',
  'max_prepared_transactions',
  'max_worker_processes',
];

/** Whatever the others have: a primary like this breaks a promise. */
const NEVER: readonly {
  readonly name: string;
  readonly wanted: string;
  readonly bad: RegExp;
  readonly what: string;
}[] = [
  { name: 'fsync', wanted: 'on', bad: /^off$/, what: 'an acknowledged write would not survive a power cut' },
  { name: 'full_page_writes', wanted: 'on', bad: /^off$/, what: 'a power cut could tear pages' },
  { name: 'synchronous_commit', wanted: 'on', bad: /^(off|local)$/, what: 'commits would not wait for a standby' },
  { name: 'wal_level', wanted: 'logical', bad: /^minimal$/, what: 'no standby could follow it' },
  { name: 'missing_extensions', wanted: '', bad: /./, what: 'extensions in use are not installed on this machine' },
];

/** Must be the primary's: what an index or a library does would differ. */
const SAME: readonly (readonly [string, string])[] = [
  ['encoding', 'text would be read differently'],
  ['collation', 'indexes on text would be in another order'],
  ['libc', 'indexes on text in a collation of the C library would be in another order'],
];

/** I9: in what a node differs from the primary, and whether that keeps it from taking its place. `primary` null: not known. */
export function driftOf(here: Settings, primary: Settings | null): readonly Drift[] {
  const found: Drift[] = [];
  const note = (name: string, wanted: string, blocks: boolean, what: string): void => {
    found.push({ name, here: here[name] ?? '', wanted, blocks, what });
  };
  for (const { name, wanted, bad, what } of NEVER) {
    const mine = here[name];
    if (mine !== undefined && bad.test(mine)) note(name, wanted, true, what);
  }
  if (primary === null) return found;
  for (const [name, wanted] of Object.entries(primary)) {
    const mine = here[name];
    if (mine === undefined || mine === wanted || found.some((drift) => drift.name === name)) continue;
    const rule = differs(name, mine, wanted);
    note(name, wanted, rule.blocks, rule.what);
  }
  return found;
}

function differs(name: string, mine: string, wanted: string): { readonly blocks: boolean; readonly what: string } {
  if (NOT_BELOW.includes(name) && Number(mine) < Number(wanted))
    return { blocks: true, what: 'a standby with less than its primary stops replaying' };
  if (name === 'server_version' && Number.parseInt(mine, 10) !== Number.parseInt(wanted, 10))
    return { blocks: true, what: 'another major version can not follow' };
  if (name === 'shared_preload_libraries') {
    const missing = libraries(wanted).filter((library) => !libraries(mine).includes(library));
    if (missing.length > 0) return { blocks: true, what: `it would serve without ${missing.join(', ')}` };
  }
  const same = SAME.find(([other]) => other === name);
  if (same !== undefined) return { blocks: true, what: same[1] };
  return { blocks: false, what: 'differs from the primary' };
}

const libraries = (list: string): readonly string[] =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** Settings of a node as this one last heard them; null when never. */
const settingsOf = (o: Observation, node: NodeId): Settings | null =>
  node === o.me ? o.settings : (o.peers.get(node)?.pulse?.settings ?? null);

/** The drift of a node against the recorded primary's last known settings. Unknown settings are no drift. */
export function driftAt(o: Observation, node: NodeId): readonly Drift[] {
  const here = settingsOf(o, node);
  const primary = o.store.sync?.value.primary;
  if (here === null) return [];
  return driftOf(here, primary === undefined || primary === node ? null : settingsOf(o, primary));
}

/** Why a node could not take the primary's place (F14); null when nothing known speaks against it. */
export function whyUnfit(o: Observation, node: NodeId): string | null {
  const blocking = driftAt(o, node).filter((drift) => drift.blocks);
  if (blocking.length === 0) return null;
  return blocking.map((d) => `${d.name} is '${d.here}' on ${node}, '${d.wanted}' is needed: ${d.what}`).join('; ');
}

/** One sentence for `why`. */
export function driftReason(o: Observation): Reason {
  const drift = driftAt(o, o.me);
  if (drift.length === 0) return because('settings-same', 'nothing known differs from the primary (I9)');
  const text = drift.map((d) => `${d.name} is '${d.here}', '${d.wanted}' is wanted: ${d.what}`).join('; ');
  return drift.some((d) => d.blocks)
    ? because('settings-block', `this node may not become primary: ${text}`)
    : because('settings-differ', text);
}
