import { because } from '../../base/reason.ts';
import { takeUp } from './moving.ts';
import type { Observation } from './observation.ts';
import { type Action, stay, STEADY, type Step } from './state.ts';
import { ownVerdict, suspicion, type Verdict } from './suspicion.ts';

/** Nothing is wrong as far as this node knows, or nothing can be judged. */
export function decideSteady(o: Observation): Step {
  const verdict = ownVerdict(o);
  const { epoch } = o.store;
  if (epoch === null) return stay(STEADY, verdict.why);
  const move = takeUp(o);
  if (move !== null) return move;
  if (verdict.kind === 'cannot-see-commit' || suspicion(o).kind !== 'none') {
    return {
      state: {
        kind: 'suspecting',
        epoch: epoch.value.n,
        sinceMs: o.nowMs,
        beginning: null,
        unseen: false,
        ended: null,
        retryAtMs: o.nowMs,
      },
      actions: publishVerdict(o, verdict),
      why: verdict.kind === 'cannot-see-commit' ? verdict.why : suspicion(o).why,
    };
  }
  return { state: STEADY, actions: publishVerdict(o, verdict), why: verdict.why };
}

/** A verdict is written when it changes, and repeated while it is negative, because a stale one must not count (P3.4). */
export function publishVerdict(o: Observation, verdict: Verdict): readonly Action[] {
  const { epoch, sync } = o.store;
  if (epoch === null || sync === null || o.store.state === 'unread') return [];
  const mine =
    o.store.mine?.epoch === epoch.value.n && o.store.mine.primary === sync.value.primary ? o.store.mine : null;
  const negative = verdict.kind === 'cannot-see-commit';
  const stands = mine?.verdict === 'cannot-see-commit';
  if (negative === stands && (!negative || (mine !== null && o.nowMs - mine.heardAtMs < o.knobs.verdictEveryMs)))
    return [];
  return [
    {
      do: 'publish-verdict',
      epoch: epoch.value.n,
      primary: sync.value.primary,
      verdict: negative ? 'cannot-see-commit' : 'commits',
      code: verdict.why.code,
    },
  ];
}

export const backToSteady = (code: string, text: string): Step => stay(STEADY, because(code, text));
