import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PlaceId, placeId } from '../../base/ids.ts';
import { FOUR, verdictOf } from '../routing/testing.ts';
import {
  type Agreed,
  agree,
  type Agreement,
  type Council,
  FRESH_FOR_MS,
  RENEW_WITHIN_MS,
  forgiveAgreed,
  type Peer,
} from './agreement.ts';
import type { Verdict } from './detector.ts';
import { abstains, parseView, type View, viewOf } from './view.ts';

const [A, B, C, D] = FOUR as [PlaceId, PlaceId, PlaceId, PlaceId];
const SITE = placeId('aws:eu-north-1');
const NOW = 1_000_000;

const sees = (down: readonly PlaceId[], sinceMs = 0): ReadonlyMap<PlaceId, Verdict> =>
  new Map(FOUR.map((id) => [id, verdictOf(down.includes(id) ? 'unhealthy' : 'healthy', sinceMs)]));
const peer = (place: PlaceId, down: readonly PlaceId[], agoMs = 0): Peer => ({
  view: viewOf(`edge ${place}`, place, sees(down)),
  heardAtMs: NOW - agoMs,
});
const council = (extra: Partial<Council>): Council => ({
  observer: 'dns',
  place: SITE,
  ownLoss: 'vote',
  own: sees([]),
  peers: [],
  connected: true,
  nowMs: NOW,
  ...extra,
});
const stateOf = (agreement: Agreement, region: PlaceId) => agreement.get(region)?.verdict.state;
const whyOf = (agreement: Agreement, region: PlaceId) => agreement.get(region)?.verdict.why;

describe('votes', () => {
  test('alone, a plane believes its own eyes', () => {
    const own = sees([B]);
    expect(agree(new Map(), council({ own })).get(B)).toEqual({ verdict: own.get(B), heldSinceMs: null });
  });

  test('down is what more than half of them see, and the reason names them', () => {
    const agreed = agree(new Map(), council({ own: sees([B]), peers: [peer(A, [B]), peer(C, [])] }));
    expect(stateOf(agreed, B)).toBe('unhealthy');
    expect(whyOf(agreed, B)).toMatchObject({ code: 'voted-down' });
    expect(whyOf(agreed, B)?.text).toContain(`2 of 3 observers see it down (dns, edge ${A})`);
  });

  test('one that is cut off from a region is outvoted, and a tie leaves the region up', () => {
    const peers = [peer(A, []), peer(C, [])];
    expect(whyOf(agree(new Map(), council({ own: sees([B]), peers })), B)?.code).toBe('voted-up');
    expect(stateOf(agree(new Map(), council({ own: sees([B]), peers: [peer(A, [])] })), B)).toBe('healthy');
  });

  test('the neighbour inside of the region has no vote about it, and believes its own eyes', () => {
    const peers = [peer(A, [B]), peer(B, [])];
    expect(stateOf(agree(new Map(), council({ own: sees([B]), peers })), B)).toBe('unhealthy');
    const inside = agree(new Map(), council({ place: B, peers: [peer(A, [B]), peer(C, [B])] }));
    expect(stateOf(inside, B)).toBe('healthy');
  });

  test('one that sees nearly everything down abstains, also the plane itself', () => {
    const lost = peer(A, [B, C, D]);
    expect(abstains(lost.view)).toBe(true);
    expect(stateOf(agree(new Map(), council({ own: sees([B]), peers: [lost, peer(C, [])] })), B)).toBe('healthy');
    const itself = agree(new Map(), council({ own: sees([A, B, C]), peers: [peer(A, []), peer(D, [])] }));
    expect([A, B, C].map((id) => stateOf(itself, id))).toEqual(['healthy', 'healthy', 'healthy']);
  });

  test('of two regions one down is no reason to abstain', () => {
    expect(abstains({ observer: 'x', place: A, regions: { [A]: 'up', [B]: 'down' } })).toBe(false);
    expect(abstains({ observer: 'x', place: SITE, regions: { [A]: 'down', [B]: 'down' } })).toBe(true);
  });

  test('a plane that sends requests itself does not use what it cannot reach', () => {
    const agreed = agree(new Map(), council({ ownLoss: 'eject', own: sees([B]), peers: [peer(A, []), peer(C, [])] }));
    expect(stateOf(agreed, B)).toBe('unhealthy');
  });

  test('back by a vote is back like any other: marked as recovered, from now on', () => {
    const down = agree(new Map(), council({ peers: [peer(A, [B]), peer(C, [B])] }));
    expect(stateOf(down, B)).toBe('unhealthy');
    const back = agree(down, council({ peers: [peer(A, []), peer(C, [])], nowMs: NOW + 500 }));
    expect(back.get(B)?.verdict).toMatchObject({ state: 'healthy', recovered: true, sinceMs: NOW + 500 });
    expect(forgiveAgreed(back).get(B)?.verdict.recovered).toBe(false);
  });
});

describe('hold-last', () => {
  const voted = agree(new Map(), council({ peers: [A, C, D].map((id) => peer(id, [B])), nowMs: NOW - 60_000 }));

  test('when most observers are missing every region stays what it was, and the reason says so', () => {
    const gone = agree(voted, council({ connected: false, peers: [peer(A, []), peer(C, []), peer(D, [])] }));
    expect(stateOf(gone, B)).toBe('unhealthy');
    expect(whyOf(gone, B)?.code).toBe('held');
    expect(gone.get(B)?.heldSinceMs).toBe(NOW);
    const stale = [A, C, D].map((id) => peer(id, [], FRESH_FOR_MS + 1));
    expect(stateOf(agree(voted, council({ peers: stale })), B)).toBe('unhealthy');
  });

  test('what the plane itself sees change from then on counts', () => {
    const peers = [peer(A, []), peer(C, []), peer(D, [])];
    const held = agree(voted, council({ connected: false, peers }));
    const later = council({ connected: false, peers, own: sees([A], NOW + 3_600_000), nowMs: NOW + 3_600_000 });
    const hour = agree(held, later);
    expect(stateOf(hour, A)).toBe('unhealthy');
    expect(stateOf(hour, B)).toBe('healthy');
    expect(hour.get(B)?.heldSinceMs).toBe(NOW);
  });

  test('a store that goes together with a region: votes from before its loss hold it up for three seconds and no longer', () => {
    const lostAtMs = NOW - 3_000;
    // Everybody spoke last just before; the lease of what they said runs on, and no call to the store has failed yet.
    const peers = [A, C, D].map((place) => peer(place, [], 3_100));
    const own = sees([B], lostAtMs);
    const before = agree(new Map(), council({ peers, nowMs: NOW - 3_050 }));
    const outvoted = agree(before, council({ own, peers }));
    expect(whyOf(outvoted, B)?.code).toBe('voted-up');
    const later = agree(outvoted, council({ own, peers, nowMs: NOW + 1 }));
    expect(later.get(B)).toMatchObject({ verdict: { state: 'unhealthy' }, heldSinceMs: NOW + 1 });
    // Those who live have said so again by then, and are believed.
    const alive = agree(outvoted, council({ own, peers: [A, C, D].map((place) => peer(place, [])), nowMs: NOW + 1 }));
    expect(whyOf(alive, B)?.code).toBe('voted-up');
  });

  test('one missing of four is no reason to hold', () => {
    const peers = [peer(A, [B]), peer(C, [B]), peer(D, [], FRESH_FOR_MS + 1)];
    expect(agree(new Map(), council({ own: sees([B]), peers })).get(B)?.heldSinceMs).toBeNull();
  });
});

const someSight = fc.constantFrom('up' as const, 'down' as const, 'unknown' as const);
const someView = fc.record({
  place: fc.constantFrom(...FOUR, SITE),
  regions: fc.tuple(someSight, someSight, someSight, someSight),
});
const somePeers = fc
  .array(fc.tuple(someView, fc.constantFrom(0, FRESH_FOR_MS, FRESH_FOR_MS + 1, 60_000)), { maxLength: 7 })
  .map((all) =>
    all.map(([{ place, regions }, agoMs], i): Peer => {
      const view: View = {
        observer: `peer ${i}`,
        place,
        regions: Object.fromEntries(FOUR.map((id, at) => [id, regions[at] ?? 'unknown'])),
      };
      return { view, heardAtMs: NOW - agoMs };
    }),
  );
const someOwn = fc
  .array(fc.tuple(fc.constantFrom('healthy' as const, 'unhealthy' as const, 'unknown' as const), fc.nat(NOW)), {
    minLength: 4,
    maxLength: 4,
  })
  .map((all) => new Map(FOUR.map((id, i) => [id, verdictOf(all[i]?.[0] ?? 'unknown', all[i]?.[1] ?? 0)])));
const someCouncil = fc
  .record({
    place: fc.constantFrom(...FOUR, SITE),
    ownLoss: fc.constantFrom('eject' as const, 'vote' as const),
    own: someOwn,
    peers: somePeers,
    connected: fc.boolean(),
  })
  .map(council);
const someBefore = fc
  .tuple(someOwn, fc.option(fc.nat(NOW)))
  .map(
    ([verdicts, heldSinceMs]): Agreement =>
      new Map([...verdicts].map(([id, verdict]): [PlaceId, Agreed] => [id, { verdict, heldSinceMs }])),
  );

describe('property', () => {
  test('nobody is taken down against the majority of those who may vote, nor left up against it', () => {
    fc.assert(
      fc.property(someBefore, someCouncil, (before, asked) => {
        const agreed = agree(before, { ...asked, ownLoss: 'vote' });
        for (const region of FOUR) {
          if (region === asked.place) continue;
          const entitled = asked.peers.filter(({ view }) => view.place !== region && !abstains(view));
          const ownView = viewOf('dns', asked.place, asked.own);
          const self = abstains(ownView) ? [] : [ownView];
          // What a peer said before this plane lost the region itself says nothing once everybody had the time to say it again.
          const own = asked.own.get(region);
          const lostAtMs = own?.state === 'unhealthy' && NOW - own.sinceMs > RENEW_WITHIN_MS ? own.sinceMs : 0;
          const present = [
            ...entitled
              .filter(({ heardAtMs }) => asked.connected && heardAtMs >= Math.max(NOW - FRESH_FOR_MS, lostAtMs))
              .map((it) => it.view),
            ...self,
          ];
          const opinions = present.map((view) => view.regions[region]).filter((sight) => sight !== 'unknown');
          const isQuorate = 2 * present.length > entitled.length + self.length && opinions.length > 0;
          if (entitled.length === 0 || !isQuorate) continue;
          const down = opinions.filter((sight) => sight === 'down').length;
          expect(stateOf(agreed, region)).toBe(2 * down > opinions.length ? 'unhealthy' : 'healthy');
        }
      }),
      { numRuns: 500 },
    );
  });

  test('without anybody to hear, no state changes but by what the plane sees itself', () => {
    fc.assert(
      fc.property(someBefore, someCouncil, (before, asked) => {
        const agreed = agree(before, { ...asked, connected: false });
        for (const region of FOUR) {
          const allowed = [stateOf(before, region), asked.own.get(region)?.state];
          expect(allowed).toContain(stateOf(agreed, region));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('who abstains changes nothing', () => {
    fc.assert(
      fc.property(someBefore, someCouncil, fc.constantFrom(...FOUR, SITE), (before, asked, place) => {
        const lost = { view: viewOf('lost', place, sees([A, B, C])), heardAtMs: NOW };
        const more = agree(before, { ...asked, peers: [...asked.peers, lost] });
        expect(more).toEqual(agree(before, asked));
      }),
    );
  });

  test('counting again changes nothing, and gives back the same objects', () => {
    fc.assert(
      fc.property(someBefore, someCouncil, (before, asked) => {
        const once = agree(before, asked);
        const twice = agree(once, asked);
        for (const region of FOUR) expect(twice.get(region)).toBe(once.get(region));
      }),
    );
  });

  test('any text is a view or none, and a view comes back as it was told', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseView(text)));
    const view = viewOf('dns', SITE, sees([B]));
    expect(parseView(JSON.stringify(view))).toEqual(view);
    expect(parseView(JSON.stringify({ ...view, regions: { [A]: 'maybe' } }))).toBeNull();
    expect(parseView(JSON.stringify({ ...view, observer: 'x'.repeat(9_000) }))).toBeNull();
  });
});
