import { assert } from '../../base/result.ts';
import type { LedgerRow } from '../ledger.ts';
import { regionOfCohort } from '../load/mix.ts';
import type { NodeRead, TrialObservation } from '../trial/observation.ts';

/** One thing broken in what an honest trial saw, and the check that must notice. */
export interface Mutant {
  readonly name: string;
  readonly check: string;
  readonly verdict: 'fail' | 'inconclusive';
  /** Throws when the observation holds nothing to break: then the mutant proves nothing. */
  readonly breakIt: (observation: TrialObservation) => TrialObservation;
}

const LOSS = 'acknowledged writes are kept';

/** Each checker's nightmare. A drill that stays green under one of them is not worth running. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'an acknowledged write is gone from every node',
    check: LOSS,
    verdict: 'fail',
    breakIt: (o) => without(o, lastAcknowledgedBeforeFault(o).id, () => true),
  },
  {
    name: 'a standby lacks a row that the primary has',
    check: LOSS,
    verdict: 'fail',
    breakIt: (o) => without(o, lastAcknowledgedBeforeFault(o).id, (read) => !read.isPrimary),
  },
  {
    name: 'a write is there twice',
    check: LOSS,
    verdict: 'fail',
    breakIt: (o) => changeLedgers(o, (ledger) => new Map(ledger).set(lastAcknowledgedBeforeFault(o).id, 2)),
  },
  {
    name: 'the client drops a ledger row, so the database holds a write that nobody sent',
    check: LOSS,
    verdict: 'fail',
    breakIt: (o) => withRows(o, (row) => (row.id === lastAcknowledgedBeforeFault(o).id ? null : row)),
  },
  {
    name: 'the new primary lacked a write until the old one brought it back',
    check: 'kept before the old primary came back',
    verdict: 'fail',
    breakIt: (o) => {
      const seen = o.afterPromotion;
      assert(seen !== null, 'the new primary was read');
      const ledger = withoutId(seen.read.ledger, lastAcknowledgedBeforeFault(o).id);
      return { ...o, afterPromotion: { ...seen, read: { ...seen.read, ledger } } };
    },
  },
  {
    name: 'the old side goes on acknowledging writes that are lost',
    check: 'no lost zombie acknowledgements',
    verdict: 'fail',
    breakIt: (o) => withZombie(o),
  },
  {
    name: 'two nodes are open under one epoch',
    check: 'one primary per epoch',
    verdict: 'fail',
    breakIt: (o) => {
      const open = o.samples.find((sample) => sample.openPrimary);
      assert(open !== undefined, 'a primary was seen');
      return { ...o, samples: [...o.samples, { ...open, node: 'somebody-else' }] };
    },
  },
  {
    name: 'a cancelled wait for a standby was acknowledged',
    check: 'no cancelled wait was acknowledged',
    verdict: 'fail',
    breakIt: (o) => ({ ...o, cancelledWaits: o.ledger.rows.filter((row) => row.code === '08007').length + 1 }),
  },
  {
    name: 'the log of a server can not be read',
    check: 'no cancelled wait was acknowledged',
    verdict: 'inconclusive',
    breakIt: (o) => ({ ...o, cancelledWaits: null }),
  },
  {
    name: 'a standby holds a row that the primary lacks',
    check: LOSS,
    verdict: 'fail',
    breakIt: (o) => withExtraOnStandby(o),
  },
  {
    name: 'the primary moved twice',
    check: 'the primary moved only if it had to',
    verdict: 'fail',
    breakIt: (o) => withSecondMove(o),
  },
  {
    name: 'no agent was heard',
    check: 'one primary per epoch',
    verdict: 'inconclusive',
    breakIt: (o) => ({ ...o, samples: [] }),
  },
  {
    name: 'writes had stopped before the fault',
    check: 'traffic before and after',
    verdict: 'inconclusive',
    breakIt: (o) => withRows(o, (row) => (sentRightBeforeFault(o, row) ? { ...row, outcome: 'info' } : row)),
  },
  {
    name: 'the generator stood still in the takeover',
    check: 'the generator was on time',
    verdict: 'inconclusive',
    breakIt: (o) =>
      withRows(o, (row) =>
        Math.abs(row.intendedMs - t0Of(o)) < 500 ? { ...row, startedMs: row.intendedMs + 3_000 } : row,
      ),
  },
  {
    name: 'reads find nothing of what was acknowledged',
    check: 'reads found what was acknowledged',
    verdict: 'fail',
    breakIt: (o) => withRows(o, (row) => (row.op === 'http-read' ? { ...row, code: '404' } : row)),
  },
  {
    name: 'service comes back later than promised',
    check: 'recovered within the objective',
    verdict: 'fail',
    breakIt: (o) => ({ ...o, objectives: { ...o.objectives, rtoMs: 1 } }),
  },
  {
    name: 'nothing was killed',
    check: 'injected',
    verdict: 'inconclusive',
    breakIt: (o) => ({ ...o, injected: o.injected === null ? null : { ...o.injected, processes: 0 } }),
  },
  {
    name: 'the primary moved although nothing was wrong with it',
    check: 'the primary moved only if it had to',
    verdict: 'fail',
    breakIt: (o) => ({ ...o, expects: 'stay' }),
  },
  {
    name: 'the users of the region that came back are not served',
    check: 'its own users are served again',
    verdict: 'fail',
    breakIt: (o) => withRows(o, (row) => (servedAfterRelease(o, row) ? { ...row, outcome: 'fail' } : row)),
  },
  {
    name: 'nobody wrote',
    check: 'traffic before and after',
    verdict: 'inconclusive',
    breakIt: (o) => withRows(o, (row) => ({ ...row, outcome: 'fail' })),
  },
  {
    name: 'the generator was late',
    check: 'the generator was on time',
    verdict: 'inconclusive',
    breakIt: (o) => withRows(o, (row) => ({ ...row, startedMs: row.intendedMs + 200 })),
  },
  {
    name: 'the load process was killed',
    check: 'the generator was on time',
    verdict: 'inconclusive',
    breakIt: (o) => ({ ...o, ledger: { ...o.ledger, complete: false } }),
  },
  {
    name: 'a node could not be read',
    check: 'every node was read',
    verdict: 'inconclusive',
    breakIt: (o) => ({ ...o, unread: [{ node: 'n', why: 'no answer' }] }),
  },
  {
    name: 'the fault could not be undone',
    check: 'the region came back',
    verdict: 'fail',
    breakIt: (o) => ({ ...o, undo: { ...o.undo, complete: false } }),
  },
];

const t0Of = (o: TrialObservation): number => o.injected?.effectiveMs ?? Number.POSITIVE_INFINITY;

/** Of a surviving region and old enough to have been sent long before the new primary was read. */
function lastAcknowledgedBeforeFault(o: TrialObservation): LedgerRow {
  const row = o.ledger.rows.findLast((it) => it.op === 'sql-write' && it.outcome === 'ok' && it.doneMs < t0Of(o));
  assert(row !== undefined, 'a write was acknowledged before the fault');
  return row;
}

const servedAfterRelease = (o: TrialObservation, row: LedgerRow): boolean =>
  regionOfCohort(row.cohort) === o.lost.region && row.intendedMs >= (o.undo.releasedMs ?? Number.POSITIVE_INFINITY);

const withRows = (o: TrialObservation, change: (row: LedgerRow) => LedgerRow | null): TrialObservation => ({
  ...o,
  ledger: { ...o.ledger, rows: o.ledger.rows.flatMap((row) => change(row) ?? []) },
});

const changeLedgers = (
  o: TrialObservation,
  change: (ledger: NodeRead['ledger'], read: NodeRead) => NodeRead['ledger'],
): TrialObservation => ({ ...o, final: o.final.map((read) => ({ ...read, ledger: change(read.ledger, read) })) });

const withoutId = (ledger: NodeRead['ledger'], id: string): NodeRead['ledger'] =>
  new Map([...ledger].filter(([each]) => each !== id));

const without = (o: TrialObservation, id: string, where: (read: NodeRead) => boolean): TrialObservation =>
  changeLedgers(o, (ledger, read) => (where(read) ? withoutId(ledger, id) : ledger));

/** What a standby that was not made anew after a failover would hold: a row of unknown outcome that the primary never had. */
function withExtraOnStandby(o: TrialObservation): TrialObservation {
  const id = `${lastAcknowledgedBeforeFault(o).id}.extra`;
  const unknown: LedgerRow = { ...lastAcknowledgedBeforeFault(o), id, outcome: 'info' };
  const changed = changeLedgers(o, (ledger, read) => (read.isPrimary ? ledger : new Map(ledger).set(id, 1)));
  return { ...changed, ledger: { ...o.ledger, rows: [...o.ledger.rows, unknown] } };
}

/** The last writes come from a timeline that is newer still. */
function withSecondMove(o: TrialObservation): TrialObservation {
  const newest = Math.max(...o.ledger.rows.map((row) => row.timeline ?? 0));
  const lastMs = Math.max(...o.ledger.rows.filter((row) => row.timeline === newest).map((row) => row.doneMs));
  return withRows(o, (row) =>
    row.timeline === newest && row.doneMs > lastMs - 500 ? { ...row, timeline: newest + 1 } : row,
  );
}

const sentRightBeforeFault = (o: TrialObservation, row: LedgerRow): boolean =>
  row.op === 'sql-write' && row.doneMs > t0Of(o) - 3_000 && row.doneMs < t0Of(o);

/** One more acknowledgement by the old timeline, after the new one had begun, that no node holds. */
function withZombie(o: TrialObservation): TrialObservation {
  const old = lastAcknowledgedBeforeFault(o);
  const newest = o.ledger.rows.findLast((row) => row.outcome === 'ok' && (row.timeline ?? 0) > (old.timeline ?? 0));
  assert(newest !== undefined, 'a newer timeline acknowledged');
  const { intendedMs, startedMs, sentMs, doneMs } = newest;
  const zombie: LedgerRow = { ...old, id: `${old.id}.zombie`, intendedMs, startedMs, sentMs, doneMs };
  return { ...o, ledger: { ...o.ledger, rows: [...o.ledger.rows, zombie] } };
}
