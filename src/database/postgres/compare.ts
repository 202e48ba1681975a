import { compareLsn, lsnBytes } from '../../base/lsn.ts';
import { type Outcome, done, refused } from '../../base/result.ts';
import type { DatabaseStatus, Fork, Upstream } from '../../ports/database.ts';
import { isBehindAllWal } from './behind.ts';
import { connectUpstream } from './clone.ts';
import { type Local, hangUp, within } from './connections.ts';
import { type Identity, identify, identifyLocal, timelineHistory } from './identify.ts';

const TIMEOUT_MS = 4_000;

export interface Comparison {
  /** `behind`: on the same branch, and the upstream has no longer the WAL that comes next. */
  readonly verdict: 'same-branch' | 'behind' | 'diverged' | 'foreign';
  readonly why: string;
}

/** P8.2: may this standby follow `upstream`? The local end is read first: the upstream's only grows. */
export async function compareWith(
  local: Local,
  status: DatabaseStatus,
  upstream: Upstream,
): Promise<Outcome<Comparison>> {
  if (status.state !== 'standby') return refused('not-a-standby', `the local PostgreSQL is ${status.state}`);
  if (!status.localWalReplayed) return refused('replaying', 'the end of the local WAL is not known yet');
  const here = await identifyLocal(local, TIMEOUT_MS);
  const [setting] = await local.work.query(SEGMENT, TIMEOUT_MS);
  const segmentBytes = Number(setting?.['bytes']);
  const client = await connectUpstream(upstream, await local.secrets(), TIMEOUT_MS);
  try {
    return await within(local.clock, TIMEOUT_MS, async () => {
      const there = await identify(client);
      if (there.systemId !== here.systemId) return done(judge(here, there, []));
      const judged = judge(here, there, await timelineHistory(client, there.timeline));
      if (judged.verdict !== 'same-branch') return done(judged);
      if (!(await isBehindAllWal(client, here, segmentBytes, local.clock))) return done(judged);
      return done({ verdict: 'behind', why: `${judged.why}; ${upstream.node} has no longer the WAL from there on` });
    });
  } finally {
    hangUp(client);
  }
}

const SEGMENT = `SELECT setting::float8 AS bytes FROM pg_settings WHERE name = 'wal_segment_size'`;

/** `history`: the ancestors of the upstream's timeline and where each was left. */
export function judge(here: Identity, there: Identity, history: readonly Fork[]): Comparison {
  if (here.systemId !== there.systemId)
    return { verdict: 'foreign', why: `system ${here.systemId} here, ${there.systemId} there` };
  const mine = `timeline ${here.timeline} at ${here.lsn}`;
  if (here.timeline === there.timeline) return upTo(mine, here.lsn, there.lsn, 'the end of the upstream');
  const fork = history.find((ancestor) => ancestor.timeline === here.timeline);
  if (fork === undefined)
    return { verdict: 'diverged', why: `${mine} is no ancestor of the upstream's timeline ${there.timeline}` };
  return upTo(mine, here.lsn, fork.lsn, `the fork of timeline ${there.timeline}`);
}

function upTo(mine: string, end: string, limit: string, what: string): Comparison {
  if (compareLsn(end, limit) <= 0) return { verdict: 'same-branch', why: `${mine}, not beyond ${what} at ${limit}` };
  return { verdict: 'diverged', why: `${mine}, ${lsnBytes(limit, end)} bytes beyond ${what} at ${limit}` };
}
