import { setTimeout as sleep } from 'node:timers/promises';
import { FarshoreError } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import type { DataNodeLayout } from '../layout.ts';
import type { World } from '../open.ts';
import { readStat } from '../proc.ts';
import { COMMIT, openSession as open, openPrimaryIn } from './commit-probe.ts';
import { goOn, signalExactly } from './freeze.ts';
import { noteStopping } from './journal.ts';
import { monotonicMs, type Seen } from './seen.ts';
import { act } from './turn.ts';

const TRIES = 300;
/** A commit that takes longer than this while the server answers hangs. */
const HANGS_AFTER_MS = 400;
const TRY_WITHIN_MS = 30_000;

/**
 * A stalled disk as a client sees it: every commit hangs where WAL is flushed, connections open, `SELECT 1` answers, health is green.
 * One backend of our own is stopped in the middle of its own flush, while it holds the lock of WAL writes; nothing is configured.
 */
export async function wedge(world: World, place: PlaceId, id: string): Promise<Seen> {
  const node = await openPrimaryIn(world, place);
  if (node === null) {
    const why = 'only a primary commits; `farshore status` shows where it is';
    throw new FarshoreError('FSH_REFUSED', `${place} has no open primary now, so no commit could hang there: ${why}`);
  }
  const fromMs = monotonicMs();
  const victim = await open(world, node);
  const pid = Number((await victim.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid')).rows[0]?.pid);
  const stat = readStat(pid);
  if (stat === null) throw new FarshoreError('FSH_FAILED', `the server's process ${pid} is not on this machine`);
  await act(world, id, () => noteStopping(world, id, [stat]));
  let over = false;
  const committing = (async () => {
    while (!over) await victim.query(COMMIT);
  })().catch(() => undefined);
  try {
    for (let tries = 1; tries <= TRIES && monotonicMs() - fromMs < TRY_WITHIN_MS; tries++) {
      await sleep(Math.random() * 4);
      if (!(await act(world, id, () => signalExactly(stat, 'SIGSTOP'))))
        throw new FarshoreError('FSH_FAILED', 'the server ended our session');
      const effectiveMs = monotonicMs();
      if (await commitHangs(world, node).catch(() => false)) {
        over = true;
        const evidence = `a commit got no answer for ${HANGS_AFTER_MS} ms while SELECT 1 was answered on a new connection`;
        const times = { fromMs, effectiveMs, provenMs: monotonicMs() };
        return { ...times, processes: 1, what: `commits hang in ${place}`, evidence };
      }
      signalExactly(stat, 'SIGCONT');
    }
    throw new FarshoreError('FSH_FAILED', `${TRIES} tries did not stop a flush in the middle; nothing hangs`);
  } finally {
    if (!over) {
      over = true;
      await goOn([stat]);
      await committing;
      await victim.end().catch(() => undefined);
    }
  }
}

/** Quick when it does not hang: a probe for a try, the canary for the last one. */
async function commitHangs(world: World, node: DataNodeLayout): Promise<boolean> {
  const client = await open(world, node);
  const hangs = await Promise.race([
    client.query(COMMIT).then(
      () => false,
      () => false,
    ),
    sleep(HANGS_AFTER_MS, true),
  ]);
  if (!hangs) {
    await client.end();
    return false;
  }
  // A backend that waits for the lock of WAL writes can't be asked to end: it goes when the wedge is undone.
  void client.end().catch(() => undefined);
  return readAnswers(world, node);
}

async function readAnswers(world: World, node: DataNodeLayout): Promise<boolean> {
  const client = await open(world, node);
  const answered = await Promise.race([
    client.query('SELECT 1').then(
      () => true,
      () => false,
    ),
    sleep(2_000, false),
  ]);
  void client.end().catch(() => undefined);
  return answered;
}
