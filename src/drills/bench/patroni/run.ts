import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { reignChangeOf } from '../../checks/reigns.ts';
import { parseLedger } from '../../ledger.ts';
import { DEFAULT_MIX, DRILL_TABLE } from '../../load/mix.ts';
import { Traffic } from '../../trial/traffic.ts';
import { monotonicMs, pause } from '../../monotonic.ts';
import { PatroniCluster, type PatroniTimings } from './cluster.ts';
import { Router } from './router.ts';

export type PatroniFault = 'crash' | 'freeze' | 'switchover';

export interface PatroniTrial {
  readonly fault: PatroniFault;
  /** Last write acknowledged by the old primary to the first by the new one; null when none came in time. */
  readonly gapMs: number | null;
  readonly rejoinMs: number | null;
  readonly acknowledged: number;
  readonly lost: number;
}

const WHOLE_WITHIN_MS = 120_000;
const CHANGE_WITHIN_MS = 90_000;
/** After the change: whether it holds. */
const AFTER_MS = 2_000;

/** Runs these faults one after the other on a cluster of its own, under the drills' own load and measured in the same way. */
export async function runPatroni(
  timings: PatroniTimings,
  faults: readonly PatroniFault[],
  basePort: number,
  progress: (text: string) => void,
): Promise<readonly PatroniTrial[]> {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-patroni-'));
  chmodSync(folder, 0o755);
  const password = `p${Math.random().toString(36).slice(2)}`;
  const cluster = new PatroniCluster(folder, basePort, password, timings);
  const router = new Router(cluster.nodes, basePort + 9);
  const secretsPath = join(folder, 'secrets.json');
  writeFileSync(secretsPath, JSON.stringify({ appPassword: password }), { mode: 0o600 });
  const trials: PatroniTrial[] = [];
  try {
    cluster.start();
    if ((await cluster.whole(WHOLE_WITHIN_MS)) === null) throw new Error(`Patroni did not start; see ${folder}`);
    await makeDatabase(basePort + 9, password);
    for (const fault of faults) {
      const trial = await oneTrial({ cluster, folder, secretsPath, port: basePort + 9, password }, fault, timings);
      progress(`${fault}: ${trial.gapMs === null ? 'no change' : `${Math.round(trial.gapMs)} ms`}, ${trial.lost} lost`);
      trials.push(trial);
    }
    return trials;
  } finally {
    router.close();
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Bench {
  readonly cluster: PatroniCluster;
  readonly folder: string;
  readonly secretsPath: string;
  readonly port: number;
  readonly password: string;
}

async function oneTrial(bench: Bench, fault: PatroniFault, timings: PatroniTimings): Promise<PatroniTrial> {
  const { cluster, folder, secretsPath, port } = bench;
  const before = await cluster.whole(WHOLE_WITHIN_MS);
  if (before === null) throw new Error('Patroni is not whole');
  const id = `p${Date.now().toString(36)}`;
  const files = { ledger: join(folder, `${id}.jsonl`), load: join(folder, `${id}.load.json`) };
  const traffic = new Traffic(
    { drill: id, secretsPath, cohorts: [cohortAt(port)] },
    files,
    new AbortController().signal,
  );
  await traffic.calm();
  await pause(Math.random() * timings.loopWait * 1_000);
  const t0Ms = monotonicMs();
  await hit(cluster, before.leader, fault);
  const changed = () => reignChangeOf(traffic.rows, t0Ms) !== null;
  await traffic.until(changed, t0Ms + CHANGE_WITHIN_MS);
  await traffic.linger(AFTER_MS);
  if (fault === 'freeze') cluster.signal(before.leader, 'SIGCONT');
  if (fault === 'crash') cluster.startNode(before.leader);
  const whole = await cluster.whole(WHOLE_WITHIN_MS);
  await traffic.stop(10_000);
  const { rows } = parseLedger(readFileSync(files.ledger, 'utf8'));
  const acknowledged = rows.filter((row) => row.outcome === 'ok').map((row) => row.id);
  const held = await idsHeld(bench, id);
  return {
    fault,
    gapMs: reignChangeOf(rows, t0Ms)?.gapMs ?? null,
    rejoinMs: whole?.tookMs ?? null,
    acknowledged: acknowledged.length,
    lost: acknowledged.filter((it) => !held.has(it)).length,
  };
}

async function hit(cluster: PatroniCluster, leader: string, fault: PatroniFault): Promise<void> {
  if (fault === 'switchover') return void cluster.switchover(leader);
  // Twice: what was forked in between is hit as well.
  for (let round = 0; round < 2; round++) cluster.signal(leader, fault === 'crash' ? 'SIGKILL' : 'SIGSTOP');
}

const cohortAt = (port: number) =>
  ({
    kind: 'sql',
    name: 'sql@patroni',
    host: '127.0.0.1',
    port,
    user: 'app',
    database: 'app',
    table: DRILL_TABLE,
    ratePerSecond: DEFAULT_MIX.sqlWritesPerSecond,
    deadlineMs: DEFAULT_MIX.writeDeadlineMs,
    poolWaitMs: DEFAULT_MIX.poolWaitMs,
    sessions: DEFAULT_MIX.sqlSessions,
    sessionSetup: null,
  }) as const;

async function makeDatabase(port: number, password: string): Promise<void> {
  await asSuperuser(port, password, 'postgres', async (client) => {
    await client.query(`CREATE ROLE app LOGIN PASSWORD '${password}'`);
    await client.query('CREATE DATABASE app OWNER app');
  });
  await asSuperuser(port, password, 'app', async (client) => {
    await client.query(
      `CREATE TABLE ${DRILL_TABLE} (id text NOT NULL, client text NOT NULL, seq bigint NOT NULL, at timestamptz NOT NULL)`,
    );
    await client.query(`ALTER TABLE ${DRILL_TABLE} OWNER TO app`);
  });
}

async function idsHeld({ port, password }: Bench, drill: string): Promise<ReadonlySet<string>> {
  const held = new Set<string>();
  await asSuperuser(port, password, 'app', async (client) => {
    const read = await client.query<{ id: string }>(`SELECT id FROM ${DRILL_TABLE} WHERE id LIKE $1`, [`${drill}.%`]);
    for (const row of read.rows) held.add(row.id);
  });
  return held;
}

/** Tries again while the router has no leader yet. */
async function asSuperuser(
  port: number,
  password: string,
  database: string,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  for (let left = 50; ; left--) {
    const client = new Client({ host: '127.0.0.1', port, user: 'postgres', password, database });
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      if (left === 0) throw error;
      await pause(200);
      continue;
    }
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}
