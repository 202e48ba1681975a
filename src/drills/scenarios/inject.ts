import type { FaultSpec } from '../../world/faults/spec.ts';
import { injectFault } from '../../world/faults/inject.ts';
import type { World } from '../../world/open.ts';
import type { Broken } from './break-and-mend.ts';

export async function inject(world: World, spec: FaultSpec, holder: string): Promise<Broken> {
  const fault = await injectFault(world, spec, holder);
  const { what, evidence, fromMs, effectiveMs, processes } = fault;
  return {
    what,
    evidence,
    fromMs,
    effectiveMs,
    processes,
    stillInForce: () => fault.stillInForce(),
    undo: () => fault.undo(),
  };
}
