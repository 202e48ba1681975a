import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { FarshoreError } from '../base/errors.ts';
import type { WorldLayout } from './layout.ts';
import { takeLock } from './lock.ts';
import { endLeftovers } from './prepare.ts';
import { supervisorClient } from './supervisor/client.ts';

const SUPERVISOR_GONE_WITHIN_MS = 5_000;

/**
 * Ends a world: in order through its supervisor; without one, by killing what is left of it. Resolves when no process
 * is left, with how many had to be killed. Calling it on a stopped world does nothing.
 */
export async function stopWorld(
  layout: WorldLayout,
): Promise<{ readonly how: 'stopped' | 'killed' | 'was-down'; readonly killed: number }> {
  const outcome = await supervisorClient(layout).shutdown();
  if (outcome.kind === 'unknown')
    throw new FarshoreError('FSH_TIMEOUT', `the supervisor has not stopped everything yet: ${outcome.why}`);
  if (outcome.kind === 'done') await supervisorGone(layout.id);
  const killed = await endLeftovers(layout);
  rmSync(layout.runDir, { recursive: true, force: true });
  return { how: outcome.kind === 'done' ? 'stopped' : killed > 0 ? 'killed' : 'was-down', killed };
}

async function supervisorGone(id: string): Promise<void> {
  const endMs = performance.now() + SUPERVISOR_GONE_WITHIN_MS;
  while (performance.now() < endMs) {
    const lock = await takeLock(`world-${id}`);
    if (lock !== null) return lock.release();
    await sleep(20);
  }
}
