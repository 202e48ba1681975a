/** Is a history of calls on one key what some order of single steps would have given? */
export type Input =
  | { readonly do: 'read' }
  | { readonly do: 'write'; readonly value: string }
  | { readonly do: 'cas'; readonly from: string; readonly to: string };

export interface Call {
  readonly input: Input;
  readonly startMs: number;
  /** Infinity when the outcome is unknown: it may happen at any time after the start, or never. */
  readonly endMs: number;
  /** A read's value (null = no key), or whether a write took place; undefined when unknown. */
  readonly output: string | null | boolean | undefined;
}

type State = string | null;

function step(state: State, input: Input): { readonly state: State; readonly output: string | null | boolean } {
  if (input.do === 'read') return { state, output: state };
  if (input.do === 'write') return { state: input.value, output: true };
  return state === input.from ? { state: input.to, output: true } : { state, output: false };
}

/** Wing and Gong's search: at each point any call may be next that started before every other open call ended. */
export function isLinearizable(calls: readonly Call[], initial: State): boolean {
  const seen = new Set<string>();
  const search = (left: readonly Call[], state: State): boolean => {
    if (left.every((call) => call.output === undefined)) return true;
    const id = `${left.map((call) => calls.indexOf(call)).join()}|${state}`;
    if (seen.has(id)) return false;
    seen.add(id);
    const firstEndMs = Math.min(...left.map((call) => call.endMs));
    return left.some((call) => {
      if (call.startMs > firstEndMs) return false;
      const next = step(state, call.input);
      if (call.output !== undefined && call.output !== next.output) return false;
      return search(
        left.filter((other) => other !== call),
        next.state,
      );
    });
  };
  return search(calls, initial);
}
