import { type Look, quietly, stopAgent, stopPostgres } from './events.ts';
import { isConfirmed, weakestOf, isLinked, isStreaming, linkBit, postgresActs } from './facts.ts';
import { judgeAcknowledgement } from './judge.ts';
import {
  ACKNOWLEDGED,
  AGENT_FROZEN,
  bit,
  CHANGE,
  DOWN,
  letterOf,
  nameOf,
  NOBODY,
  NODE_FROZEN,
  nodeOf,
  PRIMARY,
  RUNNING,
  showList,
  STANDBY,
  TAKEOVER,
  UNKNOWN,
  UNSENT,
  WAITING,
  writeOf,
} from './state.ts';

/** Clients of node `i`: a write is sent, confirmed by any list still in force, or its wait is cancelled. */
export function clientEvents({ scope, now, report }: Look, i: number): void {
  const n = nodeOf(now, i);
  const me = nameOf(i);
  if (n.postgres !== PRIMARY || !postgresActs(n)) return;
  const unsent = now.writes.findIndex((w) => w.st === UNSENT);
  if (n.gate > 0 && unsent >= 0) {
    const x = letterOf(unsent);
    report(
      `a client sends write ${x} to ${me}; it is in ${me}'s WAL`,
      quietly((s) => {
        s.writes[unsent] = { st: WAITING, at: i, epoch: 0 };
        nodeOf(s, i).wal += x;
      }),
    );
  }
  now.writes.forEach((write, k) => {
    if (write.st !== WAITING || write.at !== i) return;
    const x = letterOf(k);
    const list = weakestOf(n.lists);
    if (n.lists.length > 0 && isConfirmed(now, i, list, n.wal.indexOf(x)))
      report(`${me} acknowledges ${x} to its client (confirmed by ${showList(list)})`, (s) => {
        s.writes[k] = { st: ACKNOWLEDGED, at: i, epoch: nodeOf(s, i).reign };
        return judgeAcknowledgement(scope, s, i, x);
      });
    if (!scope.cancels || now.calm > 0) return;
    report(`the client cancels its wait for ${x} on ${me}`, (s) => {
      const isTakenForAnswer = scope.mistake === 'cancel-is-ack';
      Object.assign(writeOf(s, k), { st: isTakenForAnswer ? ACKNOWLEDGED : UNKNOWN, epoch: nodeOf(s, i).reign });
      return isTakenForAnswer ? judgeAcknowledgement(scope, s, i, x) : null;
    });
  });
}

/** Streaming in order, and a reload that reaches PostgreSQL's processes one after another. */
export function postgresEvents({ now, report }: Look, i: number): void {
  const n = nodeOf(now, i);
  const me = nameOf(i);
  now.nodes.forEach((from, p) => {
    if (p === i || from.postgres !== PRIMARY || !isStreaming(now, p, i)) return;
    const x = from.wal[n.wal.length];
    if (x === undefined) return;
    report(
      `${me} receives and flushes ${x} from ${nameOf(p)}`,
      quietly((s) => {
        nodeOf(s, i).wal += x;
      }),
    );
  });
  const newest = n.lists.at(-1);
  if (n.lists.length > 1 && newest !== undefined && postgresActs(n))
    report(
      `every PostgreSQL process of ${me} has now read the list ${showList(newest)}`,
      quietly((s) => {
        nodeOf(s, i).lists = [newest];
      }),
    );
}

export function faultEvents(look: Look, i: number): void {
  const { scope, now, report } = look;
  if (now.faults === 0) return;
  const n = nodeOf(now, i);
  const me = nameOf(i);
  const fault = (label: string, apply: Parameters<typeof quietly>[0]): void =>
    report(
      label,
      quietly((s) => {
        s.faults -= 1;
        apply(s);
      }),
    );
  if (n.postgres !== DOWN)
    fault(`node ${me} crashes`, (s) => {
      stopPostgres(s, i);
      Object.assign(nodeOf(s, i), { postgres: DOWN, frozen: RUNNING });
      stopAgent(s, i);
    });
  const isBusy = n.takeover.step !== TAKEOVER.none || n.change.step !== CHANGE.none || n.order > 0;
  if (n.postgres !== DOWN && isBusy)
    fault(`the agent of ${me} crashes and starts again (PostgreSQL goes on)`, (s) => stopAgent(s, i));
  if (scope.outages) outageEvents(look, i, fault);
}

/**
 * A frozen node, a cut link and a lost store only keep events from happening. Every event is optional anyway, so a search
 * without these covers them; with them it is a cross-check, and finds what needs them.
 */
function outageEvents(
  { now }: Look,
  i: number,
  fault: (label: string, apply: Parameters<typeof quietly>[0]) => void,
): void {
  const n = nodeOf(now, i);
  const me = nameOf(i);
  if (n.postgres !== DOWN && n.frozen === RUNNING) {
    fault(`the whole node ${me} freezes`, (s) => void (nodeOf(s, i).frozen = NODE_FROZEN));
    fault(`the agent of ${me} freezes`, (s) => void (nodeOf(s, i).frozen = AGENT_FROZEN));
  }
  if (n.store > 0) fault(`${me} loses the store`, (s) => void (nodeOf(s, i).store = 0));
  for (let j = i + 1; j < now.nodes.length; j++)
    if (isLinked(now, i, j)) fault(`the link ${me}-${nameOf(j)} is cut`, (s) => void (s.cut |= linkBit(i, j)));
}

/** Repairs cost nothing. */
export function repairEvents({ now, report }: Look, i: number): void {
  const n = nodeOf(now, i);
  const me = nameOf(i);
  if (n.frozen !== RUNNING)
    report(
      `${me} thaws`,
      quietly((s) => void (nodeOf(s, i).frozen = RUNNING)),
    );
  if (n.postgres === DOWN && (now.dead & bit(i)) === 0)
    report(
      `${me} starts as an isolated standby (P8.1)`,
      quietly((s) => void Object.assign(nodeOf(s, i), { postgres: STANDBY, upstream: NOBODY })),
    );
  if (n.store === 0)
    report(
      `${me} reaches the store again`,
      quietly((s) => void (nodeOf(s, i).store = 1)),
    );
  for (let j = i + 1; j < now.nodes.length; j++)
    if (!isLinked(now, i, j))
      report(
        `the link ${me}-${nameOf(j)} heals`,
        quietly((s) => void (s.cut &= ~linkBit(i, j))),
      );
}
