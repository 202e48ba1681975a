import { z } from 'zod';
import { DURATION, formatDuration, parseDuration } from './duration.ts';
import { formatSize, parseSize, SIZE } from './size.ts';

/** Which schemas are durations: their mistakes are told apart from those of other texts. */
export const durations = z.registry<{ readonly duration: true }>();

/** The same for sizes. */
export const sizes = z.registry<{ readonly size: true }>();

/** A duration as written, within bounds in milliseconds. Reading it gives the text; `parseDuration` gives the number. */
export function duration(minMs: number, maxMs: number, description: string) {
  const inBounds = (text: string) => {
    const ms = parseDuration(text);
    return ms !== null && ms >= minMs && ms <= maxMs;
  };
  const bounds = `between ${formatDuration(minMs)} and ${formatDuration(maxMs)}`;
  return z
    .string()
    .regex(DURATION, { abort: true })
    .refine(inBounds, { error: bounds })
    .describe(`${description} A duration ${bounds}, with its unit: 500ms, 30s, 5m, 24h, 7d.`)
    .register(durations, { duration: true });
}

/** A size as written, within bounds in bytes. Reading it gives the text; `parseSize` gives the number. */
export function size(minBytes: number, maxBytes: number, description: string) {
  const inBounds = (text: string) => {
    const bytes = parseSize(text);
    return bytes !== null && bytes >= minBytes && bytes <= maxBytes;
  };
  const bounds = `between ${formatSize(minBytes)} and ${formatSize(maxBytes)}`;
  return z
    .string()
    .regex(SIZE, { abort: true })
    .refine(inBounds, { error: bounds })
    .describe(`${description} A size ${bounds}, with its unit: 64kB, 16MB, 1GB.`)
    .register(sizes, { size: true });
}
