import { reignIn } from './facts.ts';
import type { QuorumScope } from './scope.ts';
import { ACKNOWLEDGED, letterOf, nameOf, nodeOf, PRIMARY, type State } from './state.ts';

/** Invariants, judged at the events that can break them. A sentence is a violation; null is none. */

export function judgeAcknowledgement(scope: QuorumScope, s: State, primary: number, write: string): string | null {
  const { reign } = nodeOf(s, primary);
  const elsewhere = s.nodes.some((n, i) => scope.regions[i] !== scope.regions[primary] && n.wal.includes(write));
  if (scope.whenAlone === 'block' && !elsewhere)
    return `I4: write ${write} was acknowledged by ${nameOf(primary)} alone although whenAlone is block`;
  const newer = s.nodes.findIndex((n, i) => i !== primary && reignIn(n.wal) > reign && !n.wal.includes(write));
  return newer < 0
    ? null
    : `I3: ${nameOf(primary)} (epoch ${reign}) acknowledged ${write}, which the newer timeline of ${nameOf(newer)} lacks`;
}

export function judgePromotion(s: State, target: number): string | null {
  const n = nodeOf(s, target);
  const lost = s.writes.findIndex(
    (w, k) => w.st === ACKNOWLEDGED && w.epoch <= n.reign && !n.wal.includes(letterOf(k)),
  );
  if (lost >= 0)
    return `I3: ${nameOf(target)} was promoted under epoch ${n.reign} without the acknowledged write ${letterOf(lost)}`;
  const twin = s.nodes.findIndex((m, i) => i !== target && m.postgres === PRIMARY && m.reign === n.reign);
  return twin < 0 ? null : `I1: ${nameOf(target)} and ${nameOf(twin)} are both primary under epoch ${n.reign}`;
}

/** I8: an agent ends a primary only because a newer epoch stands. */
export function judgeDemotion(s: State, node: number): string | null {
  const { reign } = nodeOf(s, node);
  return s.epoch > reign ? null : `I8: ${nameOf(node)} was stopped although epoch ${reign} is its own`;
}
