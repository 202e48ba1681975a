import { type Outcome, done, unknown } from '../../base/result.ts';
import { type Local, poll, withFresh } from './connections.ts';
import { literal } from './settings.ts';

/** Settings of a reign that a running PostgreSQL is told by ALTER SYSTEM and a reload. */
export type ReignSetting = 'primary_conninfo' | 'synchronous_standby_names';

const TIMEOUT_MS = 5_000;
const POLL_MS = 5;

/**
 * What was asked of the running PostgreSQL last, and whether a fresh connection has shown it. A takeover asks several times for what
 * is so already (a detached standby is detached again before it is promoted, or joins); each proof costs a write, a reload and a login.
 */
export class InForce {
  readonly #asked = new Map<ReignSetting, { readonly value: string; shown: boolean }>();

  /** Every process began with these values. */
  startedWith(values: Readonly<Record<ReignSetting, string>>): void {
    for (const name of Object.keys(values) as ReignSetting[])
      this.#asked.set(name, { value: values[name], shown: true });
  }

  forget(): void {
    this.#asked.clear();
  }

  ask(name: ReignSetting, value: string): void {
    this.#asked.set(name, { value, shown: false });
  }

  /** What stands for this very request: a later one makes it void, and a proof that comes late proves nothing then. */
  standing(name: ReignSetting, value: string): { readonly value: string; shown: boolean } | null {
    const asked = this.#asked.get(name);
    return asked?.value === value ? asked : null;
  }
}

/** Writes the setting and asks for a reload, unless it is shown to be in force: then the answer is true. Without that no proof. */
export async function changeSetting(local: Local, name: ReignSetting, value: string): Promise<boolean> {
  if (await standsShown(local, name, value)) return true;
  local.inForce.ask(name, value);
  await local.work.query(`ALTER SYSTEM SET ${name} = ${literal(value)}`, TIMEOUT_MS);
  await local.work.query('SELECT pg_reload_conf()', TIMEOUT_MS);
  return false;
}

/** Nobody else changes these, but a person with psql could: PostgreSQL is asked as well. */
async function standsShown(local: Local, name: ReignSetting, value: string): Promise<boolean> {
  if (local.inForce.standing(name, value)?.shown !== true) return false;
  const [row] = await local.work.query(`SELECT current_setting('${name}') AS value`, TIMEOUT_MS);
  return row?.['value'] === value;
}

/**
 * Waits until a fresh connection shows a setting: the postmaster has read it, and, since it forks and signals one
 * after the other, has signalled every other process before it started that connection.
 */
export async function settingInForce(
  local: Local,
  name: ReignSetting,
  value: string,
  deadlineMs: number,
): Promise<Outcome<void>> {
  const asked = local.inForce.standing(name, value);
  if (asked?.shown === true && (await standsShown(local, name, value))) return done(undefined);
  const shown = await poll(local.clock, deadlineMs, POLL_MS, async () => {
    const leftMs = Math.max(100, deadlineMs - local.clock.nowMs());
    const result = await withFresh(local, leftMs, (client) =>
      client.query<{ value: string }>(`SELECT current_setting('${name}') AS value`),
    );
    return result.rows[0]?.value === value ? true : null;
  });
  if (shown === null) return unknown(`${name} was not in force in time`);
  if (asked !== null) asked.shown = true;
  return done(undefined);
}
