import { Agent, request } from 'node:http';

interface Load {
  readonly rate: number;
  readonly seconds: number;
  /** That are kept. */
  readonly connections: number;
  readonly churn: number;
  readonly path?: string;
  /** Told to the server. */
  readonly deadlineMs?: number;
}

export interface OpenLoop {
  /** From the moment each request was due, sorted. */
  readonly tookMs: readonly number[];
  readonly failed: number;
}

/**
 * `rate` requests a second, each due at its own moment whether or not the ones before were answered. Every `churn`-th one is sent
 * on a connection of its own, which ends with it; 0: none.
 */
export async function openLoop(
  port: number,
  { rate, seconds, connections, churn, path = '/orders/1', deadlineMs }: Load,
): Promise<OpenLoop> {
  const kept = new Agent({ keepAlive: true, maxSockets: connections });
  const patience = deadlineMs === undefined ? {} : { headers: { 'farshore-timeout-ms': String(deadlineMs) } };
  const tookMs: number[] = [];
  let failed = 0;
  const ask = (dueMs: number, agent: Agent | false): Promise<void> =>
    new Promise((resolve) => {
      const sent = request({ host: '127.0.0.1', port, path, agent, ...patience }, (response) => {
        response.resume();
        response.on('end', () => {
          if (response.statusCode === 200) tookMs.push(performance.now() - dueMs);
          else failed += 1;
          resolve();
        });
      });
      sent.on('error', () => {
        failed += 1;
        resolve();
      });
      sent.end();
    });
  const startMs = performance.now();
  const pending: Promise<void>[] = [];
  for (let n = 0; n < rate * seconds; ) {
    const nowMs = performance.now();
    for (; n < rate * seconds && startMs + (n * 1_000) / rate <= nowMs; n += 1)
      pending.push(ask(startMs + (n * 1_000) / rate, churn > 0 && n % churn === 0 ? false : kept));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(pending);
  kept.destroy();
  return { tookMs: tookMs.toSorted((a, b) => a - b), failed };
}
