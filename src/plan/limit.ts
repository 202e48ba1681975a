import type { LatencyObjective } from '../spec/planning.ts';
import { millionths } from './problem.ts';

/** `within 100 ms`, `within 300 ms to the first byte`: how a limit is said wherever it is said. */
export const limitText = ({ withinMs, metric }: { withinMs: number; metric: LatencyObjective['metric'] }): string =>
  `within ${withinMs} ms${metric === 'ttfb' ? ' to the first byte' : ''}`;

/** As the chooser compares: sums of shares are a little off, in either direction. */
export const isMet = ({ reached, asked }: { readonly reached: number; readonly asked: number }): boolean =>
  millionths(reached) >= millionths(asked);
