import fc from 'fast-check';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { parseAddress } from '../base/address.ts';
import type { PlaceId } from '../base/ids.ts';
import type { GeoRows } from '../decide/routing/geo-table.ts';
import { DUBLIN, FOUR, FRANKFURT, GEO, policyTable, TOKYO } from '../decide/routing/testing.ts';
import { PlaceCompass } from './dns/compass.ts';
import { Clients } from './edge/clients.ts';
import { Steering } from './steering/steering.ts';
import { explain } from './edge/why.ts';

const row = (first: number, place: number) => ({ first: first * 2 ** 24, last: (first + 1) * 2 ** 24 - 1, place });
const ROWS: GeoRows = {
  places: ['DE', 'US', 'BR'].map((country) => ({ place: country, country })),
  v4: [row(10, 0), row(12, 1), row(13, 2)],
  v6: [{ first: [0x20010db8, 0], last: [0x20010db8, 0xffff], place: 0 }],
};
const clock = { nowMs: () => 50_000, wallMs: () => 0, sleep: () => Promise.resolve() };

/** A request that came over a trusted proxy, as node:http shows it. */
const requestFrom = (address: string, told: string | null): IncomingMessage => {
  const socket = { remoteAddress: '127.0.0.1' } as Socket;
  return {
    socket,
    headers: { 'x-forwarded-for': address, ...(told === null ? {} : { 'farshore-rtt-ms': told }) },
  } as unknown as IncomingMessage;
};

const someCase = fc.record({
  policies: fc.subarray(['geolocation', 'latency', 'weighted', 'failover'] as const),
  weights: fc.tuple(...FOUR.map(() => fc.integer({ min: 1, max: 5 }))),
  rtt: fc.tuple(...FOUR.map(() => fc.nat(200))),
  fenced: fc.boolean(),
  ramp: fc.boolean(),
  bad: fc.subarray(FOUR),
  told: fc.option(
    fc.tuple(...FOUR.map(() => fc.nat(200))).map((ms) => FOUR.map((id, i) => `${id}=${ms[i] ?? 0}`).join()),
  ),
  address: fc.oneof(
    fc.tuple(fc.constantFrom(10, 12, 13, 14), fc.nat(255), fc.nat(255), fc.nat(255)).map((parts) => parts.join('.')),
    fc.nat(0xffff).map((low) => `2001:db8::${low.toString(16)}:1`),
  ),
});

test('property: edge, DNS and `farshore why` lead a client to the same region, for the same table, health and address', () => {
  fc.assert(
    fc.property(someCase, (each) => {
      const table = policyTable(
        {
          policies: each.policies,
          geolocation: { ...GEO, overrides: [{ network: '12.7.0.0/16', place: 'office', country: 'US' }] },
          fences: each.fenced ? [{ name: 'law', countries: ['DE'], regions: [FRANKFURT] }] : [],
        },
        {
          weights: Object.fromEntries(FOUR.map((id, i) => [id, each.weights[i] ?? 1])),
          ramp: each.ramp ? { to: DUBLIN, from: TOKYO, overMs: 90_000 } : null,
        },
      );
      const rtt = new Map(FOUR.map((id, i): [PlaceId, number] => [id, each.rtt[i] ?? 0]));
      const steering = new Steering(clock, TOKYO, rtt, () => undefined, { rows: ROWS });
      steering.offerTable(JSON.stringify(table));
      for (const id of FOUR) for (let i = 0; i < 2; i += 1) steering.signal(id, !each.bad.includes(id), 'check', 'ok');
      const clients = new Clients(steering, { networks: ['127.0.0.0/8'], placeHeader: null });

      const rtts = each.told === null ? '' : `&rtts=${encodeURIComponent(each.told)}`;
      const atEdge = steering.route(clients.of(requestFrom(each.address, each.told), 'read'));
      const asked = explain(`/.farshore/why?client=${each.address}${rtts}`, TOKYO, steering, clients);
      const compass = new PlaceCompass(FOUR, ROWS);
      compass.turn(steering.world);
      const address = parseAddress(each.address);
      if (address === null) throw new Error(each.address);
      const byDns = FOUR[compass.lead(address)];

      const { steps, ...decision } = asked.decision;
      expect(decision).toEqual(atEdge);
      expect(steps.length).toBeGreaterThan(0);
      // A query says nothing of round trips.
      const untold = steering.route(clients.of(requestFrom(each.address, null), 'read'));
      expect(byDns).toBe(untold.candidates[0]);
    }),
    { numRuns: 500 },
  );
});
