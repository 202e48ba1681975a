import { type Look, quietly, stopPostgres } from './events.ts';
import { agentActs, commonLength, isLinked } from './facts.ts';
import { judgeDemotion } from './judge.ts';
import { nameOf, noChange, nodeOf, PRIMARY, STANDBY, type State, TAKEOVER } from './state.ts';

/** What the agent of node `i` does with its own PostgreSQL when it hears of an epoch. */
export function reignEvents({ scope, now, report }: Look, i: number): void {
  const n = nodeOf(now, i);
  if (n.postgres !== PRIMARY) return;
  const me = nameOf(i);
  const demote = (s: State): string | null => {
    const violation = judgeDemotion(s, i);
    stopPostgres(s, i);
    Object.assign(nodeOf(s, i), { postgres: STANDBY, change: noChange() });
    return violation;
  };
  if (n.store > 0 && now.epoch > n.reign && n.takeover.step < TAKEOVER.ordered)
    report(`${me}'s agent sees epoch ${now.epoch}, stops PostgreSQL and starts it as an isolated standby`, demote);
  if (n.store === 0 && scope.mistake === 'store-loss-demotes')
    report(`${me}'s agent can't reach the store and stops PostgreSQL`, demote);
  const isDriven = now.nodes.some(({ takeover: t }) => t.step === TAKEOVER.promoted && t.target === i);
  const isOrphan = now.epoch === n.reign && n.gate === 0 && now.primary === i && !isDriven;
  if (n.store > 0 && scope.rules.finishes && isOrphan)
    report(
      `${me}'s agent finds itself promoted under the store's epoch and recorded: it opens its gateway`,
      quietly((s) => void (nodeOf(s, i).gate = s.epoch)),
    );
}

/** After a promotion the others are told to follow (P5, P8.2). */
export function repointEvents({ scope, now, report }: Look, primary: number): void {
  now.nodes.forEach((n, m) => {
    if (m === primary || n.postgres !== STANDBY || (n.upstream === primary && !scope.slowOrders) || n.order > 0) return;
    if (!agentActs(n) || n.store === 0 || !isLinked(now, primary, m)) return;
    const text = `${nameOf(m)}'s agent accepts the order (epoch ${now.epoch}) to follow ${nameOf(primary)}`;
    report(
      scope.slowOrders ? text : `${text} and carries it out`,
      quietly((s) => {
        nodeOf(s, m).order = primary + 1;
        if (!scope.slowOrders) follow(s, m);
      }),
    );
  });
}

export function orderEvents({ now, report }: Look, m: number): void {
  const n = nodeOf(now, m);
  if (n.order === 0 || n.postgres !== STANDBY) return;
  report(
    `${nameOf(m)} carries out the order to follow ${nameOf(n.order - 1)} (rewinding if it diverged)`,
    quietly((s) => follow(s, m)),
  );
}

function follow(s: State, m: number): void {
  const n = nodeOf(s, m);
  n.upstream = n.order - 1;
  n.order = 0;
  n.wal = n.wal.slice(0, commonLength(n.wal, nodeOf(s, n.upstream).wal));
}
