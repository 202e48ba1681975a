import { drillRegions } from '../drill-world.ts';
import { monotonicMs } from '../monotonic.ts';
import { type Disturbance, disturbancesOf, type Seen } from '../no-false-alarm/disturbances.ts';
import type { Acts, Scenario, Stage } from '../trial/scenario.ts';

/** Between two disturbances: each is told apart from the next. */
const REST_MS = 1_500;

/** Bad days that are no loss, one after the other for `forMs`: the primary must not move once. */
export const noFalseAlarm = (forMs: number): Scenario => ({
  name: 'no-false-alarm',
  fault: 'disturbances',
  region: null,
  planned: false,
  ways: false,
  expect: (start, { layout }) => ({
    hit: start.primary.region,
    primary: 'stay',
    served: drillRegions(layout).map((it) => it.id),
    detection: 'silent',
  }),
  act: (stage) => disturb(stage, forMs),
});

async function disturb(stage: Stage, forMs: number): Promise<Acts> {
  const { traffic, world } = stage;
  const fromMs = monotonicMs();
  const seen: { readonly name: string; readonly seen: Seen }[] = [];
  for (const disturbance of cycle(disturbancesOf(world))) {
    if (monotonicMs() - fromMs >= forMs) break;
    stage.mark('disturbance', disturbance.name);
    seen.push({ name: disturbance.name, seen: await happen(stage, disturbance) });
    await traffic.linger(REST_MS);
  }
  const releasedMs = monotonicMs();
  const real = seen.filter((it) => it.seen.real);
  const kinds = new Set(real.map((it) => it.name));
  const never = [...new Set(seen.map((it) => it.name))].filter((name) => !kinds.has(name));
  const unreal = seen.find((it) => !it.seen.real);
  const evidence =
    `${real.length} of ${seen.length} were seen in force, ${kinds.size} kinds` +
    (unreal === undefined ? '' : `; not ${unreal.name}: ${unreal.seen.what}`);
  const { atMs, syncedMs, holds, why } = await stage.whole(releasedMs);
  await traffic.linger(REST_MS);
  return {
    injected: {
      fromMs,
      effectiveMs: fromMs,
      processes: real.length,
      what: 'disturbances',
      evidence,
      ...(never.length === 0 ? {} : { unreal: never.join(', ') }),
    },
    afterPromotion: null,
    undo: { complete: !holds, why, downFromMs: fromMs, releasedMs, rejoinedMs: atMs, syncedMs },
  };
}

/** Traffic is read on while it happens. */
async function happen({ traffic, world, signal }: Stage, disturbance: Disturbance): Promise<Seen> {
  let isOver = false;
  const happening = disturbance.happen(world, signal).finally(() => {
    isOver = true;
  });
  try {
    await traffic.until(() => isOver, Number.POSITIVE_INFINITY);
  } finally {
    await happening;
  }
  return happening;
}

function* cycle<T>(items: readonly T[]): Generator<T> {
  for (let at = 0; items.length > 0; at++) {
    const item = items[at % items.length];
    if (item !== undefined) yield item;
  }
}
