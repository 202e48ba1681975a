import { placeOf, type NodeId } from '../../base/ids.ts';
import { lsnBytes } from '../../base/lsn.ts';
import type { Check } from '../../ports/operations.ts';
import type { LossBound, OperationRecord } from '../../ports/records.ts';
import { whyUnfit } from './drift.ts';
import type { Observation } from './observation.ts';
import { endOf, heartbeatAgeOf, lossOf, whyTooMuch } from './loss.ts';
import { hasPositionQuorum, isAsync } from './quorum.ts';
import { isDetachable, isHeard, suspicion } from './suspicion.ts';

/** What P3.3 adds to a request. */
export interface Accepted {
  readonly fenced: string | null;
  readonly allowLossMs: number | 'any' | null;
}

/** The old primary stops only after its standbys have all its WAL: the more is missing, the longer nobody writes. */
const LAG_BYTES_MAX = 16 * 1024 * 1024;
const DATA_AGE_MS_MAX = 2_000;

/** Every precheck of a planned move or a forced failover to `target`, with its value and its limit. Changes nothing. */
export function checksFor(
  o: Observation,
  kind: OperationRecord['kind'],
  target: NodeId,
  accepted: Accepted,
): readonly Check[] {
  const shared = [...aboutTarget(o, target), ...aboutStore(o)];
  return kind === 'failover'
    ? [...shared, ...aboutForce(o, target, accepted)]
    : [...shared, ...aboutPrimary(o), ...aboutStream(o, target), aboutQuorum(o), aboutPause(o)];
}

export const obstacleAmong = (checks: readonly Check[]): Check | null =>
  checks.find((check) => check.verdict === 'refused') ?? null;

/** One sentence for an obstacle, as it goes into a reason. */
export const sayCheck = (check: Check): string => `${check.name}: ${check.value}; needed: ${check.limit}`;

function aboutTarget(o: Observation, target: NodeId): readonly Check[] {
  const primary = o.store.sync?.value.primary ?? null;
  const unfit = whyUnfit(o, target);
  return [
    check(
      'target is a data node',
      o.policy.dataNodes.includes(target),
      target,
      `one of ${o.policy.dataNodes.join(', ')}`,
    ),
    check('may become primary', o.policy.promotable.includes(target), residency(o, target), 'allowed by residency'),
    check('is not the primary', primary !== target, primary ?? 'nobody', `another node than ${target}`),
    check(
      'answers as a standby',
      isDetachable(o, target),
      answers(o, target),
      'a standby that is heard, on the same branch',
    ),
    check('settings fit', unfit === null, unfit ?? 'the same as the primary', 'able to serve as primary (I9)'),
  ];
}

const residency = (o: Observation, target: NodeId): string =>
  o.policy.promotable.includes(target) ? 'allowed' : `not among ${o.policy.promotable.join(', ')}`;

const answers = (o: Observation, target: NodeId): string => {
  if (!isHeard(o, target)) return 'not heard';
  return isDetachable(o, target) ? 'standby' : 'heard, but no standby that answers';
};

function aboutStore(o: Observation): readonly Check[] {
  const ahead = whoIsAhead(o);
  return [
    check('store', o.store.state === 'current', o.store.state, 'current'),
    check('no database beyond the store', ahead === null, ahead ?? 'none', 'none (P1.1); see `farshore recover store`'),
  ];
}

/**
 * A store that is behind any database, or of another cluster, decides nothing (P1.1): it was restored from an old copy, or is
 * the wrong one. Promoting by its records would lose what the databases know.
 */
export function whoIsAhead(o: Observation): string | null {
  const epoch = o.store.epoch?.value;
  if (epoch === undefined) return null;
  const known = [
    { node: o.me, systemId: o.local?.systemId ?? null, storedEpoch: o.local?.storedEpoch ?? null },
    ...[...o.peers.values()].map(({ node, pulse }) => ({
      node,
      systemId: pulse?.systemId,
      storedEpoch: pulse?.storedEpoch,
    })),
  ];
  for (const { node, systemId, storedEpoch } of known) {
    if ((storedEpoch ?? 0) > epoch.n) return `${node} has seen epoch ${storedEpoch}, the store is at ${epoch.n}`;
    if (node === o.me && systemId != null && systemId !== epoch.systemId)
      return `this node's data is of another cluster`;
  }
  return null;
}

function aboutPrimary(o: Observation): readonly Check[] {
  const primary = o.store.sync?.value.primary;
  if (primary === undefined) return [check('primary serves', false, 'no primary was ever recorded', 'an open primary')];
  const open = serves(o, primary);
  return [
    check('primary serves', open, open ? `${primary}, open` : `${primary} does not`, 'an open primary to hand over'),
  ];
}

/** Is this node the open primary, as far as it says itself? */
export function serves(o: Observation, primary: NodeId): boolean {
  // Its own agent knows by the route table: the reign began, and PostgreSQL still runs as primary.
  if (primary === o.me) return o.local?.state === 'primary' && o.store.routesEpoch === o.store.epoch?.value.n;
  const pulse = o.peers.get(primary)?.pulse;
  return isHeard(o, primary) && pulse?.role === 'primary' && pulse.open;
}

function aboutStream(o: Observation, target: NodeId): readonly Check[] {
  const record = o.store.sync?.value;
  const confirms = record?.names.includes(target) ?? false;
  const set =
    record === undefined || record.names.length === 0 ? 'nobody' : `${record.w} of ${record.names.join(', ')}`;
  const [here, there] = [endOf(o, target), record === undefined ? null : endOf(o, record.primary)];
  const lag = here === null || there === null ? null : Math.max(0, lsnBytes(here, there));
  const age = heartbeatAgeOf(o, target);
  return [
    check('in the sync record', confirms, set, `${target} among the recorded names`),
    check(
      'lag',
      lag !== null && lag <= LAG_BYTES_MAX,
      lag === null ? 'unknown' : `${lag} B`,
      `at most ${LAG_BYTES_MAX} B`,
    ),
    check(
      'age of its data',
      age !== null && age <= DATA_AGE_MS_MAX,
      age === null ? 'unknown' : `${Math.round(age)} ms`,
      `at most ${DATA_AGE_MS_MAX} ms`,
    ),
  ];
}

function aboutQuorum(o: Observation): Check {
  const reach = quorumInReach(o);
  return check('position quorum in reach', reach.enough, reach.who, 'enough of the recorded set to read (P3.2)');
}

interface Reach {
  readonly enough: boolean;
  readonly readable: readonly NodeId[];
  /** The readable ones in words. */
  readonly who: string;
}

/** Who of the recorded set could be detached and read now, and is that enough for P3.2? The primary to be stopped is not counted. */
export function quorumInReach(o: Observation): Reach {
  const record = o.store.sync?.value;
  if (record === undefined) return { enough: false, readable: [], who: 'no sync record' };
  const readable = [...record.names, record.primary].filter((node) => isDetachable(o, node));
  return { enough: hasPositionQuorum(record, new Set(readable)), readable, who: readable.join(', ') || 'nobody' };
}

function aboutPause(o: Observation): Check {
  const { paused } = o.store;
  const text = paused === null ? 'no' : `by ${paused.actor}: ${paused.reason}`;
  return {
    name: 'automatic takeovers paused',
    verdict: paused === null ? 'ok' : 'warning',
    value: text,
    limit: 'not paused',
  };
}

/** P3.3: forcing past P3.2 needs a fence that somebody vouches for, and a loss that was named. */
function aboutForce(o: Observation, target: NodeId, accepted: Accepted): readonly Check[] {
  const record = o.store.sync?.value;
  if (record === undefined) return [check('sync record', false, 'none', 'a recorded primary')];
  const reach = quorumInReach(o);
  if (reach.enough) {
    const fits = record.names.includes(target) || record.primary === target;
    return [
      aboutQuorum(o),
      aboutServing(o, record.primary),
      check('in the sync record', fits, fits ? 'yes' : 'no', 'a member of the recorded set, since it can be read'),
      ...(isAsync(record) ? aboutAsync(o, record.primary, target, accepted) : []),
    ];
  }
  const region = placeOf(record.primary);
  const loss = lossOf(o, target);
  const named = accepted.allowLossMs;
  const enough = isNamed(loss, named);
  const killed = dataGone(o, record.primary);
  return [
    { ...aboutQuorum(o), verdict: 'warning' },
    check(
      'fence of the old primary',
      fenceStands(o, accepted),
      killed
        ? 'its data directory is empty'
        : accepted.fenced === null
          ? 'nobody vouches for it'
          : `${accepted.fenced} is said to be fenced`,
      `--fenced ${region}, when you know that ${record.primary} can acknowledge nothing more (P3.3)`,
    ),
    check(
      'loss accepted',
      enough,
      loss.text,
      named === null
        ? '--allow-data-loss DURATION, or "any" (P3.3)'
        : `at most ${named}${named === 'any' ? '' : ' ms'}`,
    ),
    furthest(o, target),
  ];
}

/** Does what a person named cover this loss? */
export const isNamed = (loss: LossBound, named: Accepted['allowLossMs']): boolean =>
  named === 'any' || (named !== null && loss.ms !== null && named >= loss.ms);

/** F23, F24: nobody can be detached from an async primary to stop it, and what it acknowledged alone is lost. */
function aboutAsync(o: Observation, primary: NodeId, target: NodeId, accepted: Accepted): readonly Check[] {
  const isOver = o.store.leaseGoneAtMs !== null || suspicion(o).kind === 'confirmed-killed' || fenceStands(o, accepted);
  const loss = lossOf(o, target);
  const tooMuch = whyTooMuch(o.policy, loss);
  const { allowLossMs: named } = accepted;
  return [
    check(
      'old primary has ended',
      isOver,
      isOver ? 'yes' : `the lease of ${primary} stands`,
      `its lease run out, or --fenced ${placeOf(primary)}, when you know that it can acknowledge nothing more (P3.1)`,
    ),
    check(
      'loss within the limits',
      tooMuch === null || isNamed(loss, named),
      tooMuch?.text ?? loss.text,
      named === null ? 'rpo and maxLoss, or --allow-data-loss DURATION or "any"' : `at most ${named}`,
    ),
  ];
}

/** Nothing is lost by ending a primary that serves, and its clients are cut where a switchover would have let them finish. */
const aboutServing = (o: Observation, primary: NodeId): Check => ({
  name: 'primary is lost',
  verdict: serves(o, primary) ? 'warning' : 'ok',
  value: serves(o, primary) ? `${primary} serves` : `${primary} does not serve`,
  limit: 'a primary that does not serve; `farshore switchover` moves one that does, and lets its clients finish',
});

/**
 * P3.3 once more when a forced failover is carried out: the word was given about one region, and another primary may have
 * taken over since. Nobody vouches for that one.
 */
export function fenceStands(o: Observation, accepted: Pick<Accepted, 'fenced'>): boolean {
  const primary = o.store.sync?.value.primary;
  return primary !== undefined && (accepted.fenced === placeOf(primary) || dataGone(o, primary));
}

/** The old primary's own agent says that it has no data any more: nothing of it can acknowledge. */
const dataGone = (o: Observation, primary: NodeId): boolean =>
  isHeard(o, primary) && o.peers.get(primary)?.pulse?.hasData === false;

/** I6: a readable node that holds more must be named instead. */
function furthest(o: Observation, target: NodeId): Check {
  const mine = endOf(o, target);
  const further = o.policy.dataNodes.find((node) => {
    const end = endOf(o, node);
    return node !== target && isDetachable(o, node) && end !== null && mine !== null && lsnBytes(mine, end) > 0;
  });
  const text = further === undefined ? 'nobody in reach holds more' : `${further} holds more`;
  return check('holds the most', further === undefined, text, 'the furthest of those in reach (I6)');
}

const check = (name: string, ok: boolean, value: string, limit: string): Check => ({
  name,
  verdict: ok ? 'ok' : 'refused',
  value,
  limit,
});
