import type { PlaceId } from '../../base/ids.ts';
import { nodesOf } from '../../world/layout.ts';
import type { World } from '../../world/open.ts';
import { recoveryOf } from '../checks/recovery.ts';
import type { PrimarySample } from '../checks/single-primary.ts';
import { type LedgerRow, streamsIn } from '../ledger.ts';
import { regionOfCohort } from '../load/mix.ts';
import { monotonicMs } from '../monotonic.ts';
import { listenToPulses } from '../pulses.ts';

/** Answers of requests this young may still be on their way. */
const ANSWERED_AFTER_MS = 1_500;
/** Requests of the last second must all have worked before the fault. */
const CALM_MS = 1_000;

/** Hears every agent's pulses during a trial: who was open as primary, under which epoch. */
export function watchPrimaries(world: World): { readonly samples: readonly PrimarySample[]; stop(): void } {
  const samples: PrimarySample[] = [];
  const stops = nodesOf(world.layout).flatMap(({ id: node, ports }) => {
    if (ports.api === undefined) return [];
    const door = { node, port: ports.api, token: world.secrets.agentToken };
    return listenToPulses(door, ({ role, open, epoch, storedEpoch }, atMs) =>
      samples.push({ node, atMs, role, epoch: storedEpoch ?? epoch, openPrimary: role === 'primary' && open }),
    );
  });
  return { samples, stop: () => stops.forEach((stop) => stop()) };
}

/** Every stream has worked for `baselineMs`, and nothing failed in the last second. */
export function isCalm(rows: readonly LedgerRow[], streamCount: number, baselineMs: number): boolean {
  const nowMs = monotonicMs();
  const streams = streamsIn(rows.filter((row) => row.outcome === 'ok'));
  const recentFailure = rows.some((row) => row.outcome !== 'ok' && row.doneMs > nowMs - CALM_MS);
  const worksSince = (stream: readonly LedgerRow[]) => stream.some((row) => row.doneMs < nowMs - baselineMs);
  return !recentFailure && streams.length === streamCount && streams.every(worksSince);
}

/** Every stream of these regions has been stable for `windowMs`, as far as the answers are in. */
export function isStable(
  rows: readonly LedgerRow[],
  t0Ms: number,
  regions: readonly PlaceId[],
  windowMs: number,
): boolean {
  const window = { t0Ms, endMs: monotonicMs() - ANSWERED_AFTER_MS, windowMs };
  const judged = new Set<string>(regions);
  const surviving = rows.filter((row) => judged.has(regionOfCohort(row.cohort)));
  return streamsIn(surviving).every((stream) => recoveryOf(stream, window).rtoMs !== null);
}
