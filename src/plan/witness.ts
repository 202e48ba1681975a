import type { PlaceId } from '../base/ids.ts';
import { providerOf, regionFact } from '../facts/facts.ts';
import { sharedHazards } from '../facts/hazards.ts';
import { computePrice } from '../facts/prices.ts';
import type { PlanRequest } from '../spec/planning.ts';
import type { Base } from './build/base.ts';
import { rejectionOf } from './build/eligible.ts';
import { HOURS_A_MONTH } from './money.ts';
import type { Witness } from './plan.ts';

/** A vote that comes this much later than the earliest one possible slows no failover that a user would notice. */
const SLACK_MS = 30;
/** A witness needs 2 processors of the 8 that the price is for. */
const MACHINE_SHARE = 1 / 4;

interface Candidate {
  readonly id: PlaceId;
  readonly farthestMs: number;
  readonly usd: number | null;
  readonly isForeign: boolean;
}

/**
 * A place for the vote that the regions cannot have between them: it holds no data. Allowed like the regions themselves, in no hard hazard zone of any of
 * them and as far from each as they from each other; near enough; then of a provider that runs none of them, if the file allows one; of those the cheapest.
 */
export function witnessOf(request: PlanRequest, base: Base, regions: readonly PlaceId[]): Witness | null {
  const { facts } = base;
  const isApart = (place: PlaceId, region: PlaceId): boolean =>
    base.km(place, region) >= request.minSeparationKm &&
    !sharedHazards(facts, place, region).some(({ antiAffinity }) => antiAffinity === 'hard');
  const providers = new Set(regions.map(providerOf));
  const allowed = base.ids
    .filter(
      (place) =>
        !regions.includes(place) &&
        // It runs nothing of the application.
        rejectionOf(place, { ...request, services: [] }, facts, new Set()) === null &&
        regions.every((region) => isApart(place, region)),
    )
    .map((id): Candidate => {
      const price = computePrice(facts, id, 'general');
      const hourly = price.kind === 'value' ? price.usd : price.kind === 'range' ? price.highUsd : null;
      return {
        id,
        farthestMs: Math.max(...regions.map((region) => base.rtt(id, region).ms)),
        usd: hourly === null ? null : Math.round(hourly * HOURS_A_MONTH * MACHINE_SHARE),
        isForeign: !providers.has(providerOf(id)),
      };
    });
  const nearestMs = Math.min(...allowed.map(({ farthestMs }) => farthestMs));
  const near = allowed.filter(({ farthestMs }) => farthestMs <= nearestMs + SLACK_MS);
  const [best] = near.toSorted(
    (a, b) =>
      Number(b.isForeign) - Number(a.isForeign) ||
      (a.usd ?? Infinity) - (b.usd ?? Infinity) ||
      a.farthestMs - b.farthestMs ||
      (a.id < b.id ? -1 : 1),
  );
  if (best === undefined) return null;
  const { place, country } = regionFact(facts, best.id);
  const { id, farthestMs, usd, isForeign } = best;
  return { id, place, country, farthestMs, usd, why: whyOf(isForeign, near.length, request) };
}

function whyOf(isForeign: boolean, near: number, { minSeparationKm }: PlanRequest): string {
  const provider = isForeign ? 'of another provider than the regions' : 'of the provider that the file allows';
  return `in no hard hazard zone of a region, ${minSeparationKm} km or more from each, ${provider}, the cheapest of ${near} that are as near within ${SLACK_MS} ms`;
}
