import type { Coordination } from '../ports/coordination.ts';
import type { Call, Input } from './linearizable.contract.ts';

/** Carries a call of a history out on one key of a store. Undefined = unknown; throws when it was refused. */
export async function carryOut(store: Coordination, key: string, input: Input): Promise<Call['output']> {
  const outcome =
    input.do === 'read'
      ? await store.txn([], [{ get: key }])
      : input.do === 'write'
        ? await store.txn([], [{ put: key, value: input.value }])
        : await store.txn([{ key, value: input.from }], [{ put: key, value: input.to }]);
  if (outcome.kind === 'unknown') return undefined;
  if (outcome.kind === 'refused') throw new Error(`${outcome.code}: ${outcome.why}`);
  if (input.do === 'read') return outcome.value.responses[0]?.[0]?.value ?? null;
  return outcome.value.succeeded;
}
