import type { LatencyObjective } from '../spec/planning.ts';

/** `within 100 ms`, `within 300 ms to the first byte`: how a limit is said wherever it is said. */
export const limitText = ({ withinMs, metric }: { withinMs: number; metric: LatencyObjective['metric'] }): string =>
  `within ${withinMs} ms${metric === 'ttfb' ? ' to the first byte' : ''}`;
