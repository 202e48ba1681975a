/**
 * Many planes look at the regions; which ones are down is what most of them say.
 *
 * One plane alone may be wrong: its own network fails more often than a region does. So each tells the others what it sees
 * (`view.ts`), and every plane counts the votes itself, by the same rules:
 *
 * - *Who may vote.* Whoever was heard lately, and sees something of the region. Not an observer in the region itself: that it
 *   reaches its neighbour says nothing about the way of the users. Not one that sees more than half of all regions down: it has
 *   more likely lost its own network, so it abstains from everything.
 * - *Majority.* Down when more than half of the votes say so. A tie leaves the region up.
 * - *Quorum, else hold.* When half or more of the observers that are known are missing, nothing is voted: each region stays
 *   what it was, except where this plane itself sees it change from then on. Losing the store is therefore no news about any region (I12).
 * - *One's own loss* counts at once for a plane that sends requests itself: whatever others reach, it can't. And in its own
 *   region it believes its own eyes.
 */
import type { PlaceId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import { forgivenVerdict, type Verdict } from './detector.ts';
import { abstains, type View, viewOf } from './view.ts';

/** Another observer, as it was heard last, by this plane's clock. */
export interface Peer {
  readonly view: View;
  readonly heardAtMs: number;
}

/** Everything that the agreement looks at. */
export interface Council {
  readonly observer: string;
  readonly place: PlaceId;
  /** `eject`: a region that this plane can't reach is down for it, whatever others say. `vote`: it is one vote like any. */
  readonly ownLoss: 'eject' | 'vote';
  /** What this plane sees itself. */
  readonly own: ReadonlyMap<PlaceId, Verdict>;
  /** Those heard within `FORGET_AFTER_MS`. */
  readonly peers: readonly Peer[];
  /** Can others be heard at all now? */
  readonly connected: boolean;
  readonly nowMs: number;
}

export interface Agreed {
  readonly verdict: Verdict;
  /** Since when no majority of the observers could be heard; null while one can, or none is needed. */
  readonly heldSinceMs: number | null;
}
export type Agreement = ReadonlyMap<PlaceId, Agreed>;

/** Planes tell their view every two seconds, and at once when it changes. Three times nothing: it is missing. */
export const FRESH_FOR_MS = 6_000;
/**
 * Whoever lives has said something new by then: a vote from before this plane lost a region says no more that the region is up. So
 * a store that went together with the region holds up its loss no longer than this.
 */
export const RENEW_WITHIN_MS = 3_000;
/** Until then a missing observer counts among those that are known. */
export const FORGET_AFTER_MS = 600_000;
/** What led to the loss of the quorum is often the loss itself: so much before it, one's own eyes count already. */
const GRACE_MS = 10_000;

/** Counts the votes for every region. An entry that nothing has changed stays the same object. */
export function agree(before: Agreement, council: Council): Agreement {
  const { own } = council;
  const mayVote = council.peers.filter(({ view }) => !abstains(view));
  const ownView = viewOf(council.observer, council.place, own);
  const itself = abstains(ownView) ? null : ownView;
  return new Map(
    [...own].map(([region, verdict]) => {
      const agreed = agreeOn(region, verdict, before.get(region) ?? null, { ...council, peers: mayVote }, itself);
      return [region, keepIfSame(before.get(region), agreed)];
    }),
  );
}

function agreeOn(
  region: PlaceId,
  own: Verdict,
  before: Agreed | null,
  { place, ownLoss, peers, connected, nowMs }: Council,
  itself: View | null,
): Agreed {
  const asSeen = { verdict: own, heldSinceMs: null };
  if (place === region || (ownLoss === 'eject' && own.state === 'unhealthy')) return asSeen;
  const known = peers.filter(({ view }) => view.place !== region);
  if (known.length === 0) return asSeen;
  const isNews = (heardAtMs: number) => own.state !== 'unhealthy' || heardAtMs >= own.sinceMs;
  const waits = nowMs - own.sinceMs <= RENEW_WITHIN_MS;
  const heard = known.filter(
    ({ heardAtMs }) => connected && nowMs - heardAtMs <= FRESH_FOR_MS && (waits || isNews(heardAtMs)),
  );
  const views = [...heard.map(({ view }) => view), ...(itself === null ? [] : [itself])];
  const voters = views.filter((view) => (view.regions[region] ?? 'unknown') !== 'unknown');
  const knownCount = known.length + (itself === null ? 0 : 1);
  if (2 * views.length <= knownCount || voters.length === 0) return held(own, before, nowMs);
  const down = voters.filter((view) => view.regions[region] === 'down');
  const isDown = 2 * down.length > voters.length;
  return { verdict: voted(isDown, down, voters.length, own, before?.verdict ?? own, nowMs), heldSinceMs: null };
}

const BY_VOTE = ['voted-up', 'seen-elsewhere'];

function voted(
  isDown: boolean,
  down: readonly View[],
  voters: number,
  own: Verdict,
  before: Verdict,
  nowMs: number,
): Verdict {
  const state = isDown ? 'unhealthy' : 'healthy';
  // Where this plane sees the same, its own word says more than a count; unless the others took the region away meanwhile.
  const isCount = before.state === 'unhealthy' || BY_VOTE.includes(before.why.code);
  if (!isDown && own.state === 'healthy' && (!isCount || own.sinceMs >= before.sinceMs)) return own;
  const why = reasonOf(isDown, down, voters, own);
  if (before.state === state) return { ...before, why };
  return { state, sinceMs: nowMs, recovered: before.state === 'unhealthy' || own.recovered, why };
}

function reasonOf(isDown: boolean, down: readonly View[], voters: number, own: Verdict): Reason {
  const who = down.map(({ observer }) => observer).toSorted();
  const seen = `${down.length} of ${voters} observers see it down`;
  if (!isDown && down.length === 0) {
    return because('seen-elsewhere', `none of ${voters} observers sees it down`);
  }
  if (!isDown) {
    const here = own.state === 'unhealthy' ? `; this one does (${own.why.text})` : '';
    return because('voted-up', `only ${seen}${here}`);
  }
  const here = own.state === 'unhealthy' ? own.why.text : 'this one does not';
  return because('voted-down', `${seen} (${who.join(', ')}); ${here}`);
}

/** No majority of the observers is heard. */
function held(own: Verdict, before: Agreed | null, nowMs: number): Agreed {
  if (before === null) return { verdict: own, heldSinceMs: nowMs };
  const heldSinceMs = before.heldSinceMs ?? nowMs;
  const turnedSince = own.sinceMs >= heldSinceMs - GRACE_MS;
  if (turnedSince || own.state === before.verdict.state) return { verdict: own, heldSinceMs };
  const why = because('held', `most observers are not heard, so it stays what it was: ${before.verdict.state}`);
  return { verdict: { ...before.verdict, why }, heldSinceMs };
}

function keepIfSame(before: Agreed | undefined, now: Agreed): Agreed {
  if (before === undefined || before.heldSinceMs !== now.heldSinceMs) return now;
  const { verdict: a } = before;
  const { verdict: b } = now;
  const same =
    a === b ||
    (a.state === b.state &&
      a.sinceMs === b.sinceMs &&
      a.recovered === b.recovered &&
      a.why.code === b.why.code &&
      a.why.text === b.why.text);
  return same ? before : now;
}

/** A person lets every region serve again. */
export const forgiveAgreed = (agreement: Agreement): Agreement =>
  new Map([...agreement].map(([region, agreed]) => [region, { ...agreed, verdict: forgivenVerdict(agreed.verdict) }]));
