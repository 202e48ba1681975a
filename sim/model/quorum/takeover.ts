import { type Look, quietly } from './events.ts';
import { agentActs, confirmersOf, epochStands, isLinked, reignIn, wantedList } from './facts.ts';
import { judgePromotion } from './judge.ts';
import type { QuorumScope } from './scope.ts';
import {
  bit,
  membersOf,
  nameOf,
  NOBODY,
  nodeOf,
  type NodeSet,
  noTakeover,
  PRIMARY,
  showNames,
  sizeOf,
  STANDBY,
  type State,
  TAKEOVER,
  type Takeover,
} from './state.ts';

/**
 * P5, driven by the agent of node `i`; the target may be another node. Suspicion (P3.4) is not modelled: a takeover may start
 * at any moment, which is harder for safety than the rule.
 */
export function takeoverEvents(look: Look, i: number): void {
  const { scope, now, report } = look;
  const n = nodeOf(now, i);
  const t = n.takeover;
  if (t.step === TAKEOVER.none && now.takeovers > 0 && n.postgres !== PRIMARY) begin(look, i);
  if (!epochStands(scope, now, t.epoch)) return;
  // During repair a takeover that can't go on ends `refused`; elsewhere the crash of its agent stands for that.
  if (now.calm > 0 && t.step !== TAKEOVER.none)
    report(
      `${nameOf(i)}'s takeover is refused and ends`,
      quietly((s) => void (nodeOf(s, i).takeover = noTakeover())),
    );
  if (t.step === TAKEOVER.reading) read(look, i);
  else if (t.step === TAKEOVER.chosen) record(look, i);
  else if (t.step === TAKEOVER.recorded || t.step === TAKEOVER.promoted) orderTarget(look, i);
  else if (t.step === TAKEOVER.open)
    report(
      `${nameOf(i)}'s takeover writes the sync record "solo: ${nameOf(t.target)}"`,
      quietly((s) => {
        writeSolo(s, t.target);
        nodeOf(s, i).takeover = noTakeover();
      }),
    );
}

function writeSolo(s: State, target: number): void {
  Object.assign(s, { w: 0, names: 0, primary: target, recordEpoch: s.epoch, revision: s.revision + 1 });
}

function begin({ scope, now, report }: Look, i: number): void {
  const isNewEpoch = scope.mistake !== 'create-revision';
  const epoch = now.epoch + (isNewEpoch ? 1 : 0);
  report(
    `${nameOf(i)} starts a takeover: epoch ${epoch} is written`,
    quietly((s) => {
      s.takeovers -= 1;
      s.epoch = epoch;
      const { revision, w, names, primary, recordEpoch } = s;
      const takeover: Takeover = {
        ...noTakeover(),
        step: TAKEOVER.reading,
        epoch,
        revision,
        w,
        names,
        primary,
        recordEpoch,
      };
      nodeOf(s, i).takeover = takeover;
      if (scope.rules.recordAt !== 'epoch') return;
      writeSolo(s, i);
      takeover.revision = s.revision;
    }),
  );
}

/** Its agent can be told, and can ask the store whether the order still stands. */
const obeys = (now: State, driver: number, m: number): boolean =>
  agentActs(nodeOf(now, m)) && nodeOf(now, m).store > 0 && isLinked(now, driver, m);

function read({ scope, now, report }: Look, i: number): void {
  const t = nodeOf(now, i).takeover;
  const me = nameOf(i);
  for (const m of membersOf(worthReading(scope, t) & ~t.read)) {
    if (m >= now.nodes.length || nodeOf(now, m).postgres !== STANDBY || !obeys(now, i, m)) continue;
    report(
      `${me}'s takeover (epoch ${t.epoch}) detaches ${nameOf(m)} and reads its position`,
      quietly((s) => {
        const member = nodeOf(s, m);
        member.upstream = NOBODY;
        if (scope.rules.newerCancels) member.order = 0;
        const { takeover } = nodeOf(s, i);
        takeover.read |= bit(m);
        takeover.positions[m] = member.wal.length;
      }),
    );
  }
  for (const target of candidatesOf(scope, now, t))
    report(
      `${me}'s takeover has its position quorum (${showNames(t.read)}), records the fence and chooses ${nameOf(target)}`,
      quietly((s) => {
        const { takeover } = nodeOf(s, i);
        Object.assign(takeover, { step: TAKEOVER.chosen, target, read: 0, positions: [0, 0, 0] });
      }),
    );
}

/** Whom the record makes worth reading; also the nodes of the primary's own region, who may be candidates. */
function worthReading(scope: QuorumScope, t: Takeover): NodeSet {
  const holder = bit(t.primary);
  if (t.w === 0) return holder;
  const own = scope.rules.ownRegion === 'never' ? 0 : ownRegionOf(scope, t.primary);
  return t.names | own | (scope.rules.holderCounts ? holder : 0);
}

const ownRegionOf = (scope: QuorumScope, primary: number): NodeSet =>
  scope.regions.reduce(
    (set, region, node) => (node !== primary && region === scope.regions[primary] ? set | bit(node) : set),
    0,
  );

function candidatesOf(scope: QuorumScope, now: State, t: Takeover): readonly number[] {
  const holder = (t.read & bit(t.primary)) > 0 ? [t.primary] : [];
  if (t.w === 0) return holder;
  const read = membersOf(t.read & t.names);
  const isQuorum = scope.mistake === 'no-position-quorum' ? read.length > 0 : read.length + t.w > sizeOf(t.names);
  // P3.2: the record's own primary, detached, holds everything that was acknowledged under the record.
  const candidates = new Set(scope.rules.holderCounts ? holder : []);
  if (!isQuorum) return [...candidates];
  const best = Math.max(...read.map((m) => t.positions[m] ?? 0));
  for (const m of read) if (t.positions[m] === best) candidates.add(m);
  for (const m of membersOf(t.read & ownRegionOf(scope, t.primary)))
    if (isAsFar(scope, now, t, m, best)) candidates.add(m);
  return [...candidates];
}

/**
 * A node of the primary's own region is in no record. At or past the furthest position read it holds every acknowledged
 * write, but only if it is on that branch: it knows the very reign under which the record was written.
 */
function isAsFar(scope: QuorumScope, now: State, t: Takeover, node: number, best: number): boolean {
  const hasPosition = (t.positions[node] ?? 0) >= best;
  if (scope.rules.ownRegion === 'position-only') return hasPosition;
  return scope.rules.ownRegion !== 'never' && hasPosition && reignIn(nodeOf(now, node).wal) === t.recordEpoch;
}

function record({ scope, now, report }: Look, i: number): void {
  const t = nodeOf(now, i).takeover;
  const me = nameOf(i);
  if (scope.rules.recordAt !== 'promotion') {
    report(
      `${me}'s takeover goes on to promote ${nameOf(t.target)}`,
      quietly((s) => void (nodeOf(s, i).takeover.step = TAKEOVER.recorded)),
    );
  } else if (now.revision === t.revision || scope.mistake === 'create-revision') {
    report(
      `${me}'s takeover writes the sync record "solo: ${nameOf(t.target)}"`,
      quietly((s) => {
        writeSolo(s, t.target);
        nodeOf(s, i).takeover.step = TAKEOVER.recorded;
      }),
    );
  }
}

function orderTarget({ scope, now, report }: Look, i: number): void {
  const t = nodeOf(now, i).takeover;
  const target = nodeOf(now, t.target);
  const name = nameOf(t.target);
  if (t.step === TAKEOVER.recorded && target.postgres === STANDBY && obeys(now, i, t.target))
    report(
      `${name}'s agent sets its new sync list and reads the epoch again: still ${now.epoch}`,
      quietly((s) => void (nodeOf(s, i).takeover.step = TAKEOVER.ordered)),
    );
  const isPromoted = target.postgres === PRIMARY && target.reign === t.epoch;
  if (t.step === TAKEOVER.promoted && agentActs(target) && target.store > 0 && isPromoted)
    report(
      `${name}'s timeline is checked, the epoch is still ${now.epoch}: its gateway opens`,
      quietly((s) => {
        nodeOf(s, t.target).gate = t.epoch;
        if (scope.rules.recordAt === 'gateway-open') nodeOf(s, i).takeover.step = TAKEOVER.open;
        else nodeOf(s, i).takeover = noTakeover();
      }),
    );
}

/** After its last look at the epoch the target may be arbitrarily slow. */
export function promotionEvents({ scope, now, report }: Look, i: number): void {
  const t = nodeOf(now, i).takeover;
  const before = nodeOf(now, t.target);
  if (t.step !== TAKEOVER.ordered || before.postgres !== STANDBY || !agentActs(before)) return;
  report(`${nameOf(t.target)} is promoted under epoch ${t.epoch}`, (s) => {
    const n = nodeOf(s, t.target);
    const mayServeAlone = scope.whenAlone === 'serve' || scope.mistake === 'promote-empty-list';
    const list = mayServeAlone ? 0 : wantedList(scope, confirmersOf(scope, t.target));
    Object.assign(n, { postgres: PRIMARY, upstream: NOBODY, reign: t.epoch, lists: [list], gate: 0, order: 0 });
    n.wal += t.epoch;
    nodeOf(s, i).takeover.step = TAKEOVER.promoted;
    return judgePromotion(s, t.target);
  });
}
