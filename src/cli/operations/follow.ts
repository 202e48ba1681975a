import { setTimeout as sleep } from 'node:timers/promises';
import type { OperationRecord } from '../../ports/records.ts';
import type { World } from '../../world/open.ts';
import { readOperation } from '../../world/operations.ts';
import { seconds } from '../text.ts';
import { isOver } from './render.ts';

const LOOK_EVERY_MS = 250;

/**
 * Follows one operation to its end, saying each step on stderr as the journal gets it. Null when `limitMs` passed first: it
 * goes on. An agent or the store may be away for a while; the journal is asked again.
 */
export async function followOperation(
  world: World,
  id: string,
  limitMs: number,
  signal?: AbortSignal,
): Promise<OperationRecord | null> {
  const untilMs = performance.now() + limitMs;
  let said = 0;
  let last: OperationRecord | null = null;
  while (performance.now() < untilMs && signal?.aborted !== true) {
    const operation = await readOperation(world, id);
    if (operation !== null) {
      last = operation;
      for (const step of operation.steps.slice(said))
        process.stderr.write(
          `  ${seconds(step.atWallMs - (operation.steps[0]?.atWallMs ?? 0)).padStart(6)}  ${step.name}: ${step.what}\n`,
        );
      said = Math.max(said, operation.steps.length);
      if (isOver(operation)) return operation;
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return last !== null && isOver(last) ? last : null;
}
