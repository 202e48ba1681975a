import { readFileSync } from 'node:fs';

/** Names a file with milliseconds: how far the wall clock of this process is off. `farshore fault clock-skew` writes it. */
export const WALL_CLOCK_VARIABLE = 'FARSHORE_WALL_CLOCK';

const LOOK_EVERY_MS = 20;

/** Milliseconds since 1970 as this process has them: in a world a fault may say that its place's clock is wrong. */
export function wallClock(path: string | undefined, trueWallMs: () => number = Date.now): () => number {
  if (path === undefined) return trueWallMs;
  let offMs = 0;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = performance.now();
    if (nowMs - lookedAtMs >= LOOK_EVERY_MS) {
      lookedAtMs = nowMs;
      offMs = readOffMs(path);
    }
    return trueWallMs() + offMs;
  };
}

/** No file, no fault. */
function readOffMs(path: string): number {
  try {
    const offMs = Number(readFileSync(path, 'utf8'));
    return Number.isFinite(offMs) ? offMs : 0;
  } catch {
    return 0;
  }
}
