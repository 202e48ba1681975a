import type { Clock } from '../../base/clock.ts';
import type { PlaceId } from '../../base/ids.ts';
import { agree, type Agreement, forgiveAgreed, FRESH_FOR_MS, type Peer } from '../../decide/health/agreement.ts';
import {
  DETECTOR_POLICY,
  type Detector,
  type DetectorPolicy,
  forgive,
  newDetector,
  type Sample,
  signal,
  type Verdict,
} from '../../decide/health/detector.ts';
import { type View, viewOf } from '../../decide/health/view.ts';
import type { HealthPolicy } from '../../ports/routing.ts';

export interface SightsOptions {
  readonly clock: Clock;
  readonly place: PlaceId;
  readonly regions: readonly PlaceId[];
  /** Its name among those that tell each other what they see. */
  readonly observer: string;
  /** `eject` for a plane that sends requests itself. */
  readonly ownLoss: 'eject' | 'vote';
}

/** Is a region up? What this plane sees itself, what the others told it, and what is agreed about each region. */
export class Sights {
  readonly #options: SightsOptions;
  readonly #detectors: Map<PlaceId, Detector>;
  #policy: DetectorPolicy = DETECTOR_POLICY;
  #isAlone = false;
  #heard: { readonly peers: readonly Peer[]; readonly connected: boolean } = { peers: [], connected: false };
  #agreement: Agreement;

  constructor(options: SightsOptions) {
    this.#options = options;
    const nowMs = options.clock.nowMs();
    this.#detectors = new Map(options.regions.map((region) => [region, newDetector(nowMs)]));
    this.#agreement = this.#agree(new Map());
  }

  /** What holds for each region: what most observers see, or this plane alone when there are no others. */
  get verdicts(): ReadonlyMap<PlaceId, Verdict> {
    return new Map([...this.#agreement].map(([region, { verdict }]) => [region, verdict]));
  }

  verdict(region: PlaceId): Verdict | undefined {
    return this.#agreement.get(region)?.verdict;
  }

  /** What this plane sees itself, for the others. */
  get view(): View {
    return viewOf(this.#options.observer, this.#options.place, this.#own());
  }

  /** Of the others, what was said lately. */
  get freshViews(): readonly View[] {
    const nowMs = this.#options.clock.nowMs();
    const { peers, connected } = this.#heard;
    return peers.flatMap(({ view, heardAtMs }) => (connected && nowMs - heardAtMs <= FRESH_FOR_MS ? [view] : []));
  }

  get peers(): readonly Peer[] {
    return this.#heard.peers;
  }

  /** Since when the others can't be heard, so that regions stay what they were; null while they can. */
  get heldSinceMs(): number | null {
    const since = [...this.#agreement.values()].flatMap(({ heldSinceMs }) => heldSinceMs ?? []);
    return since.length === 0 ? null : Math.min(...since);
  }

  /** What other planes see, as heard so far. True when the verdict about a region is another one. */
  hear(peers: readonly Peer[], connected: boolean): boolean {
    this.#heard = { peers, connected };
    return this.#recount();
  }

  /** The policy of a new table; and a person has let every region serve again. */
  adopt(policy: HealthPolicy | undefined, forgiven: boolean): void {
    if (forgiven) {
      for (const [region, detector] of this.#detectors) this.#detectors.set(region, forgive(detector));
      this.#agreement = forgiveAgreed(this.#agreement);
    }
    const { fall, rise, bucket, leakAfter } = { ...DETECTOR_POLICY, ...policy };
    this.#policy = { fall, rise, bucket, leakAfter };
    this.#isAlone = policy?.observers === 'own';
    this.#recount();
  }

  /** Takes in what a check or a request met. Cheap when it changes nothing, which is nearly always. */
  signal(region: PlaceId, sample: Sample): { readonly sight: boolean; readonly verdict: boolean } {
    const before = this.#detectors.get(region);
    if (before === undefined) return UNCHANGED;
    const after = signal(before, sample, this.#policy);
    if (after === before) return UNCHANGED;
    this.#detectors.set(region, after);
    if (after.verdict !== before.verdict) return { sight: true, verdict: this.#recount() };
    // While the others see it otherwise, time alone may make their votes old.
    const isOutvoted = this.verdict(region)?.state !== after.verdict.state;
    return isOutvoted ? { sight: false, verdict: this.#recount() } : UNCHANGED;
  }

  #own(): ReadonlyMap<PlaceId, Verdict> {
    return new Map([...this.#detectors].map(([region, detector]) => [region, detector.verdict]));
  }

  #agree(before: Agreement): Agreement {
    const { observer, place, ownLoss, clock } = this.#options;
    return agree(before, {
      observer,
      place,
      ownLoss,
      own: this.#own(),
      peers: this.#isAlone ? [] : this.#heard.peers,
      connected: this.#heard.connected,
      nowMs: clock.nowMs(),
    });
  }

  #recount(): boolean {
    const before = this.#agreement;
    this.#agreement = this.#agree(before);
    return [...this.#agreement].some(([region, { verdict }]) => before.get(region)?.verdict !== verdict);
  }
}

const UNCHANGED = { sight: false, verdict: false };
