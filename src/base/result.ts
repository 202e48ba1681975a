/** An expected failure is a value; a bug is an assertion. */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };
export const ok = <T>(value: T): Result<T, never> => ({ ok: true, value });
export const err = <E>(error: E): Result<never, E> => ({ ok: false, error });

/**
 * How an action on another process ended. `unknown` means that it may have happened:
 * read the state back before doing anything that depends on it.
 */
export type Outcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'refused'; readonly code: string; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string };
export const done = <T>(value: T): Outcome<T> => ({ kind: 'done', value });
export const refused = (code: string, why: string): Outcome<never> => ({ kind: 'refused', code, why });
export const unknown = (why: string): Outcome<never> => ({ kind: 'unknown', why });

/** A fact that must hold whatever happens outside; checked in production too. */
export function assert(fact: boolean, text: string): asserts fact {
  if (!fact) throw new Error(`assertion: ${text}`);
}

export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
