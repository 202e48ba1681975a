import { type Look, quietly } from './events.ts';
import { confirmersOf, coversList, isAttached, isStreaming, wantedList, weakestOf } from './facts.ts';
import {
  bit,
  CHANGE,
  type List,
  listOf,
  membersOf,
  nameOf,
  namesOf,
  noChange,
  nodeOf,
  type NodeSet,
  PRIMARY,
  showList,
  type State,
  wOf,
} from './state.ts';

/** P4: the primary's agent changes who must confirm. These steps need the store. */
export function changeEvents(look: Look, p: number): void {
  const { now, report } = look;
  const change = nodeOf(now, p).change;
  // As with takeovers: during repair a change that can't go on is given up; elsewhere a crash of the agent stands for that.
  if (now.calm > 0 && change.step !== CHANGE.none)
    report(
      `${nameOf(p)} gives its change up`,
      quietly((s) => void (nodeOf(s, p).change = noChange())),
    );
  if (change.step === CHANGE.none && now.changes > 0) proposeAll(look, p);
  const isRecordNext = change.step === CHANGE.storeFirst || change.step === CHANGE.recordOnly;
  if (isRecordNext || (change.step === CHANGE.flush && isFlushed(now, p))) writeRecord(look, p);
}

/** The names under which the record is written; none while it says solo. */
const recordedNames = (s: State): NodeSet => (s.w === 0 ? 0 : s.names);

function proposeAll(look: Look, p: number): void {
  const { scope, now } = look;
  const names = recordedNames(now);
  const listed = namesOf(nodeOf(now, p).lists.at(-1) ?? 0);
  if (scope.rules.withdraws && (listed & ~names) !== 0) propose(look, p, names, 'go back to the list of the record');
  if (now.w > 0 && wOf(wantedList(scope, names)) !== now.w) propose(look, p, names, 'ask as many as the mode says');
  for (const m of membersOf(confirmersOf(scope, p))) {
    const isNamed = (names & bit(m)) !== 0;
    // Without outages as events any member may look gone.
    const isGone = !scope.outages || !isStreaming(now, p, m);
    if (isNamed && isGone) propose(look, p, names & ~bit(m), `evict ${nameOf(m)}`);
    const hasPassedFork = nodeOf(now, m).wal.includes(String(nodeOf(now, p).reign));
    if (!isNamed && isStreaming(now, p, m) && hasPassedFork) propose(look, p, names | bit(m), `let ${nameOf(m)} in`);
  }
}

function propose({ scope, now, report }: Look, p: number, names: NodeSet, why: string): void {
  if (names === 0 && scope.whenAlone === 'block') return;
  const me = nameOf(p);
  const list = wantedList(scope, names);
  const current = { w: now.w, names: recordedNames(now) };
  const { lists } = nodeOf(now, p);
  // The record must cover every list in force and, because writes were acknowledged under it, the record before it.
  const before = scope.rules.judgeBy === 'list' ? [] : [listOf(current.w, current.names)];
  const isMixed = scope.rules.lists === 'any-mix';
  const inForce = isMixed ? [weakestOf([...lists, list])] : lists;
  const isStoreFirst = [...inForce, ...before].every((l) => coversList({ w: wOf(list), names }, l));
  const isPostgresFirst = coversList(current, isMixed ? weakestOf([...lists, list]) : list);
  const begin = (step: number, to = list) => quietly((s) => start(s, p, step, to, scope.rules.bumpFirst));
  if (scope.mistake === 'degrade-without-store' && !isPostgresFirst) {
    report(
      `${me} changes its list to ${showList(list)} (${why}) without the store`,
      quietly((s) => {
        s.changes -= 1;
        nodeOf(s, p).lists.push(list);
      }),
    );
  } else if (scope.mistake === 'evict-postgres-first' && why.startsWith('evict') && names !== 0) {
    // "Fewer names" read as stricter under `all`.
    report(`${me} begins to ${why}, PostgreSQL first`, begin(CHANGE.postgresFirst));
  } else if (isStoreFirst) report(`${me} begins to ${why}, the store first`, begin(CHANGE.storeFirst));
  else if (isPostgresFirst) report(`${me} begins to ${why}, PostgreSQL first`, begin(CHANGE.postgresFirst));
  else
    thirdSetting(report, current, [...lists, list], (between) => [
      `${me} begins to ${why}, through a record of ${showList(between)}`,
      begin(CHANGE.recordOnly, between),
    ]);
}

/** Neither order keeps the record above everything in force: first one that asks of fewer out of all names. */
function thirdSetting(
  report: Look['report'],
  record: { readonly w: number; readonly names: NodeSet },
  lists: readonly List[],
  event: (between: List) => Parameters<Look['report']>,
): void {
  const weakest = weakestOf(lists);
  const between = listOf(Math.min(record.w, wOf(weakest)), namesOf(weakest) | record.names);
  const isOther = wOf(between) !== record.w || namesOf(between) !== record.names;
  if (wOf(between) > 0 && isOther && coversList({ w: wOf(between), names: namesOf(between) }, weakest))
    report(...event(between));
}

/** A new version with the same content comes first: a late request of an earlier change can't apply any more (P4.2). */
function start(s: State, p: number, step: number, list: List, bumpFirst: boolean): void {
  s.changes -= 1;
  if (bumpFirst && step === CHANGE.postgresFirst) s.revision += 1;
  nodeOf(s, p).change = { step, revision: s.revision, w: wOf(list), names: namesOf(list), mark: 0 };
}

function writeRecord({ scope, now, report }: Look, p: number): void {
  const me = nameOf(p);
  const { change } = nodeOf(now, p);
  const { w, names } = change;
  const shown = showList(listOf(w, names));
  report(
    `${me} writes the sync record: ${shown}`,
    quietly((s) => {
      const n = nodeOf(s, p);
      if (s.revision !== change.revision) {
        n.change = noChange();
        return;
      }
      Object.assign(s, { w, names, primary: p, recordEpoch: s.epoch, revision: s.revision + 1 });
      if (change.step === CHANGE.storeFirst) n.change.step = CHANGE.listAfterStore;
      else n.change = noChange();
    }),
  );
  const mayBeLate = scope.lateRequests && now.late === null && now.calm === 0 && now.faults > 0;
  if (!mayBeLate || now.revision !== change.revision) return;
  report(
    `${me}'s request to write the sync record (${shown}) times out; reading it back shows no change`,
    quietly((s) => {
      s.faults -= 1;
      s.late = { w, names, epoch: s.epoch, revision: s.revision, primary: p };
      nodeOf(s, p).change = noChange();
    }),
  );
}

const isFlushed = (s: State, p: number): boolean => {
  const { names, mark } = nodeOf(s, p).change;
  return membersOf(names).every((m) => isAttached(s, p, m) && nodeOf(s, m).wal.length >= mark);
};

/** A request that timed out reaches the store after all. */
export function lateRequestEvents({ now, report }: Look): void {
  if (now.late === null) return;
  const { w, names, epoch, revision, primary } = now.late;
  report(
    'the store applies the late request',
    quietly((s) => {
      s.late = null;
      if (s.epoch === epoch && s.revision === revision)
        Object.assign(s, { w, names, primary, recordEpoch: s.epoch, revision: s.revision + 1 });
    }),
  );
}

/** Steps of a change inside PostgreSQL; they need no store. */
export function changeInPostgres({ scope, now, report }: Look, p: number): void {
  const n = nodeOf(now, p);
  if (n.postgres !== PRIMARY) return;
  const { step, w, names } = n.change;
  const list = listOf(w, names);
  if (step === CHANGE.listAfterStore || step === CHANGE.postgresFirst)
    report(
      `${nameOf(p)} reloads PostgreSQL with the list ${showList(list)}`,
      quietly((s) => {
        const next = nodeOf(s, p);
        if (next.lists.at(-1) !== list) next.lists.push(list);
        if (step === CHANGE.listAfterStore) next.change = noChange();
        else next.change.step = scope.mistake === 'no-barrier' ? CHANGE.flush : CHANGE.settle;
      }),
    );
  if (step !== CHANGE.settle) return;
  // What a probe that waits proves: no process works without a list any more. What it does not: that none uses an older list.
  const isProbe = scope.rules.barrier === 'probe';
  const isShown = isProbe ? n.lists.some((l) => l !== 0) : n.lists.length === 1;
  if (isShown)
    report(
      `${nameOf(p)} passes the first half of the barrier and reads the end of its WAL`,
      quietly((s) => {
        const next = nodeOf(s, p);
        if (isProbe) next.lists = next.lists.filter((l) => l !== 0);
        Object.assign(next.change, { step: CHANGE.flush, mark: next.wal.length });
      }),
    );
}
