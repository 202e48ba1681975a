/** `npm run bench:routing`: what a place, a decision and a sample of health cost, on one core. */
import { nodeId, placeId } from '../../../base/ids.ts';
import { newDetector, signal } from '../../../decide/health/detector.ts';
import { defaultRouting } from '../../../decide/routing/defaults.ts';
import { compileGeo } from '../../../decide/routing/geo-table.ts';
import { clientKey, mix } from '../../../decide/routing/hash.ts';
import { bookOf } from '../../../decide/routing/route.ts';
import { Router } from '../../../decide/routing/router.ts';
import type { RouteTable } from '../../../ports/records.ts';
import { readGeoRows } from '../read-geo.ts';

const ROUNDS = 3;
const PROBES = 1 << 16;

/** Best of the rounds, in operations per second of CPU time. */
function perSecond(operations: number, run: () => number): { readonly rate: number; readonly sum: number } {
  let rate = 0;
  let sum = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage();
    sum += run();
    const { user, system } = process.cpuUsage(before);
    rate = Math.max(rate, operations / ((user + system) / 1e6));
  }
  return { rate, sum };
}

const begun = process.cpuUsage();
const geo = compileGeo(await readGeoRows(null), []);
const loading = process.cpuUsage(begun);

const v4 = Array.from({ length: PROBES }, (_, i) => ({ family: 4 as const, words: [mix(i)] as const }));
const v6 = Array.from({ length: PROBES }, (_, i) => ({
  family: 6 as const,
  words: [(0x2a000000 | (mix(i) >>> 8)) >>> 0, mix(i + 1), 0, 1] as const,
}));
const TIMES = 64;
const lookUp = (addresses: readonly Parameters<typeof geo.codeOf>[0][]) =>
  perSecond(TIMES * PROBES, () => {
    let sum = 0;
    for (let time = 0; time < TIMES; time += 1) for (const address of addresses) sum += geo.codeOf(address);
    return sum;
  });

const ids = ['aws:eu-central-1', 'aws:eu-west-1', 'aws:us-east-1', 'aws:ap-northeast-1'].map(placeId);
const regions = ids.map((id) => ({ id, role: 'active' as const, weight: 1, state: 'serving' as const }));
const [first] = ids;
const table: RouteTable = {
  generation: 1,
  epoch: 1,
  primary: first === undefined ? null : { node: nodeId(first, 'n1'), region: first },
  regions,
  routing: {
    ...defaultRouting(regions),
    policies: ['latency', 'weighted'],
    latency: { withinMs: 50, hysteresisMs: 5 },
  },
  reason: { code: 'bench', text: 'bench' },
};
const world = {
  table,
  from: null,
  health: new Map(),
  readOnly: new Map(),
  latency: bookOf(new Map(ids.map((id, i) => [id, 20 * i]))),
  load: new Map(),
  leaders: new Map(),
  acceptedAtMs: 0,
  nowMs: 0,
};
const router = new Router(world);
const decided = perSecond(8 * PROBES, () => {
  let sum = 0;
  for (let time = 0; time < 8; time += 1) {
    for (const address of v4) {
      const client = {
        method: 'read' as const,
        place: geo.placeOf(address),
        key: clientKey(address),
        pinned: null,
        canary: false,
      };
      sum += router.route(client).candidates.length;
    }
  }
  return sum;
});

let detectors = ids.map(() => newDetector(0));
const sampled = perSecond(16 * PROBES, () => {
  for (let i = 0; i < 16 * PROBES; i += 1) {
    const sample = { ok: mix(i) % 10 !== 0, source: 'check' as const, code: 'ok', atMs: i };
    detectors = detectors.map((detector, at) => (at === i % 4 ? signal(detector, sample) : detector));
  }
  return detectors.length;
});

const millions = (rate: number): string => `${(rate / 1e6).toFixed(1)} M/s`.padStart(10);
const lines = [
  `load the database of places    ${Math.round((loading.user + loading.system) / 1e3)} ms, ${geo.size} ranges`,
  `place of an IPv4 address     ${millions(lookUp(v4).rate)}`,
  `place of an IPv6 address     ${millions(lookUp(v6).rate)}`,
  `decision (place, 4 weights)  ${millions(decided.rate)}`,
  `sample of health             ${millions(sampled.rate)}`,
];
process.stdout.write(`CPU seconds of one core, node ${process.version}\n${lines.join('\n')}\n`);
