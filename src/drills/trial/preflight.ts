import { FarshoreError } from '../../base/errors.ts';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import type { World } from '../../world/open.ts';
import { recoverFaults } from '../../world/faults/recover.ts';
import { lookAtWorld } from '../../world/status.ts';
import { monotonicMs, pause } from '../monotonic.ts';

export interface Start {
  readonly primary: { readonly node: NodeId; readonly region: PlaceId };
  readonly epoch: number;
  /** The region that is hit. */
  readonly region: PlaceId;
  /** Who confirmed at the start: whole again means that all of them do. */
  readonly confirms: readonly string[];
  /** Where the store's leader is; null for a store of one member. */
  readonly storeLeader: PlaceId | null;
}

/**
 * The world must be ready: nothing left over from another drill, a primary open, every node following, RPO 0 kept. Waits up to
 * `timeoutMs` for it. Throws FSH_REFUSED with the first thing that is missing: a drill on a degraded world proves nothing.
 */
export async function preflight(world: World, wanted: PlaceId | null, timeoutMs: number): Promise<Start> {
  await recoverFaults(world);
  const endMs = monotonicMs() + timeoutMs;
  for (;;) {
    const status = await lookAtWorld(world);
    const { primary, epoch, state, why } = status;
    if (state === 'ready' && primary !== null && epoch !== null) {
      const region = wanted ?? primary.value.region;
      if (!status.regions.some((it) => it.id === region)) {
        const known = status.regions.map((it) => it.id).join(', ');
        throw new FarshoreError('FSH_USAGE', `${region} is no region of this deployment; there are ${known}`);
      }
      const confirms = status.record?.value.names ?? [];
      const storeLeader = status.store.members.find((it) => it.leads)?.place ?? null;
      return { primary: primary.value, epoch: epoch.value, region, confirms, storeLeader };
    }
    if (state === 'down') throw new FarshoreError('FSH_NOT_RUNNING', why.text);
    if (monotonicMs() > endMs)
      throw new FarshoreError('FSH_REFUSED', `no drill on a world that is ${state}: ${why.text}`);
    await pause(200);
  }
}
