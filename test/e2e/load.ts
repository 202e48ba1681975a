import { setTimeout as sleep } from 'node:timers/promises';

/** Orders posted at the edges, one at a time each: what was acknowledged, and how long nothing was. */
export interface OrderLoad {
  readonly acknowledged: readonly string[];
  /** The longest time between two acknowledgements so far, at any edge. */
  readonly longestGapMs: () => number;
  stop(): Promise<void>;
}

export function startOrders(edges: readonly string[]): OrderLoad {
  const acknowledged: string[] = [];
  const gaps: number[] = [];
  let running = true;
  const loops = edges.map(async (edge) => {
    let lastMs = performance.now();
    while (running) {
      const id = crypto.randomUUID();
      if (await post(edge, id)) {
        acknowledged.push(id);
        gaps.push(performance.now() - lastMs);
        lastMs = performance.now();
      }
      await sleep(20);
    }
    gaps.push(performance.now() - lastMs);
  });
  return {
    acknowledged,
    longestGapMs: () => Math.max(0, ...gaps),
    stop: async () => {
      running = false;
      await Promise.all(loops);
    },
  };
}

async function post(edge: string, id: string): Promise<boolean> {
  try {
    const posted = await fetch(`${edge}/orders`, {
      method: 'POST',
      body: JSON.stringify({ id, item: 'lamp', quantity: 1 }),
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(5_000),
    });
    return posted.status === 201 || posted.status === 200;
  } catch {
    return false;
  }
}
