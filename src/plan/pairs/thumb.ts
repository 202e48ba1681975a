import { placeId, type PlaceId } from '../../base/ids.ts';
import { regionFact, type Facts } from '../../facts/facts.ts';
import { distanceKm } from '../../facts/geo.ts';
import type { LatencyMethod } from '../../facts/latency/band.ts';
import type { LatencyModel } from '../../facts/latency/model.ts';
import { reachOf, type Reach } from './reach.ts';

/** Rules of thumb as they are repeated everywhere, and what the data says about each. `right`: every figure; `half right`: some. */
export type Verdict = 'right' | 'half right' | 'wrong';

export interface PairRule {
  readonly says: string;
  readonly verdict: Verdict;
  readonly pairs: readonly {
    readonly regions: readonly [PlaceId, PlaceId];
    readonly places: string;
    readonly km: number;
    readonly kmIs: Against;
    readonly rttMs: number;
    readonly lowMs: number;
    readonly highMs: number;
    readonly method: LatencyMethod;
    readonly rttIs: Against;
  }[];
  /** What one could say instead. */
  readonly instead: string;
}

export interface TriadRule {
  readonly says: string;
  readonly verdict: Verdict;
  readonly withinMs: number;
  readonly asked: number;
  readonly reach: readonly Reach[];
  readonly instead: string;
}

export interface ThumbRules {
  readonly pairs: readonly PairRule[];
  readonly triad: TriadRule;
}

/** A figure beside the range that a rule names. */
export type Against = 'right' | 'less' | 'more';

interface Range {
  readonly low: number;
  readonly high: number;
}

interface Claim {
  readonly says: string;
  readonly km: Range;
  readonly rttMs: Range;
  readonly pairs: readonly (readonly [string, string])[];
}

/** "About" so many milliseconds: a tenth either way. */
const about = (ms: number): Range => ({ low: 0.9 * ms, high: 1.1 * ms });

/** The rules name places; these are the regions there of the provider whose names they use. */
const CLAIMS: readonly Claim[] = [
  {
    says: 'N. Virginia with Oregon or Ohio: 2,500 to 3,000 km, about 60 ms',
    km: { low: 2_500, high: 3_000 },
    rttMs: about(60),
    pairs: [
      ['aws:us-east-1', 'aws:us-west-2'],
      ['aws:us-east-1', 'aws:us-east-2'],
    ],
  },
  {
    says: 'Ireland with Frankfurt or London: 1,000 to 1,500 km, 20 to 30 ms',
    km: { low: 1_000, high: 1_500 },
    rttMs: { low: 20, high: 30 },
    pairs: [
      ['aws:eu-west-1', 'aws:eu-central-1'],
      ['aws:eu-west-1', 'aws:eu-west-2'],
    ],
  },
  {
    says: 'Singapore or Tokyo with Sydney or Mumbai: 5,000 to 7,000 km, 100 to 150 ms',
    km: { low: 5_000, high: 7_000 },
    rttMs: { low: 100, high: 150 },
    pairs: [
      ['aws:ap-southeast-1', 'aws:ap-southeast-2'],
      ['aws:ap-southeast-1', 'aws:ap-south-1'],
      ['aws:ap-northeast-1', 'aws:ap-southeast-2'],
      ['aws:ap-northeast-1', 'aws:ap-south-1'],
    ],
  },
];

const TRIAD = {
  says: 'US East + EU West + Singapore or Tokyo: below 100 ms for over 80 % of users',
  withinMs: 100,
  asked: 0.8,
  sets: [
    ['aws:us-east-1', 'aws:eu-west-1', 'aws:ap-southeast-1'],
    ['aws:us-east-1', 'aws:eu-west-1', 'aws:ap-northeast-1'],
  ],
} as const;

export const thumbRulesOf = (facts: Facts, model: LatencyModel): ThumbRules => ({
  pairs: CLAIMS.map((claim) => judgeClaim(facts, model, claim)),
  triad: judgeTriad(facts, model),
});

function judgeClaim(facts: Facts, model: LatencyModel, { says, km, rttMs, pairs }: Claim): PairRule {
  const judged = pairs.map(([x, y]) => {
    const [a, b] = [regionFact(facts, placeId(x)), regionFact(facts, placeId(y))];
    const found = model.regionToRegion(a.id, b.id);
    const apart = Math.round(distanceKm(a, b));
    return {
      regions: [a.id, b.id] as const,
      places: `${a.place} to ${b.place}`,
      km: apart,
      kmIs: against(apart, apart, km),
      rttMs: found.ms,
      lowMs: found.band.lowMs,
      highMs: found.band.highMs,
      method: found.method,
      rttIs: against(found.band.lowMs, found.band.highMs, rttMs),
    };
  });
  const figures = judged.flatMap(({ kmIs, rttIs }) => [kmIs, rttIs]);
  const [kms, rtts] = [judged.map((one) => one.km), judged.map((one) => Math.round(one.rttMs))];
  const span = (list: readonly number[]): string =>
    `${Math.min(...list).toLocaleString('en-US')} to ${Math.max(...list).toLocaleString('en-US')}`;
  return {
    says,
    verdict: verdictOf(figures.map((one) => one === 'right')),
    pairs: judged,
    instead: `${span(kms)} km, ${span(rtts)} ms`,
  };
}

/** A claim is refuted by a figure only when no value inside its error is what was claimed. */
function against(low: number, high: number, claimed: Range): Against {
  if (high < claimed.low) return 'less';
  return low > claimed.high ? 'more' : 'right';
}

function judgeTriad(facts: Facts, model: LatencyModel): TriadRule {
  const { says, withinMs, asked, sets } = TRIAD;
  const { reach, best } = reachOf(
    facts,
    model,
    sets.map((set) => set.map(placeId)),
    withinMs,
  );
  const [first] = best;
  return {
    says,
    verdict: verdictOf(reach.flatMap(({ shares }) => shares.map(({ all }) => all > asked))),
    withinMs,
    asked,
    reach: [...reach, ...best],
    instead:
      first === undefined
        ? ''
        : `of all threes of the same provider without a common fate, ${first.regions.join(' + ')} reaches most`,
  };
}

function verdictOf(figures: readonly boolean[]): Verdict {
  if (figures.every(Boolean)) return 'right';
  return figures.some(Boolean) ? 'half right' : 'wrong';
}
