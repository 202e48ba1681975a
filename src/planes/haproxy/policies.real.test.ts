/** HAProxy leads each client as the policies say: by place, weight, fence, canary and cookie. With a real one. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { defaultRouting } from '../../decide/routing/defaults.ts';
import type { GeoRows } from '../../decide/routing/geo-table.ts';
import type { PlaceId } from '../../base/ids.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { A, ask, B, C, publish, startRegion, tableOf, until } from '../edge/testing.ts';
import { haproxyConfig } from './config-file.ts';
import { READS } from './names.ts';
import { placeMapsOf } from './place-maps.ts';
import { aRig as newRig, installed, PROGRAM, type Rig, type RigOptions } from './testing.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const row = (first: number, place: number) => ({ first: first * 2 ** 24, last: (first + 1) * 2 ** 24 - 1, place });
/** 10.0.0.0/8 and 2001:db8::/32 are in Germany, 12.0.0.0/8 in the United States. */
const ROWS: GeoRows = {
  places: ['DE', 'US'].map((country) => ({ place: country, country })),
  v4: [row(10, 0), row(12, 1)],
  v6: [{ first: [0x20010db8, 0], last: [0x20010db8, 0xffffffff], place: 0 }],
};
const policy = (routing: Partial<RoutingPolicy>): RoutingPolicy => ({
  ...defaultRouting(tableOf({ primary: null }).regions),
  ...routing,
});
const tableFor = (routing: RoutingPolicy, primary: PlaceId | null = B, epoch = 1): RouteTable => ({
  ...tableOf({ epoch, primary }),
  routing,
});

/** Driven by a table with this policy. */
async function led(routing: RoutingPolicy, options: RigOptions = {}): Promise<Rig> {
  const rig = await newRig(cleanups, { rows: ROWS, ...options, routing });
  await rig.drive();
  const table = tableFor(routing);
  const regions = table.regions.map((region, i) => ({ ...region, weight: options.weights?.[i] ?? 1 }));
  await publish(rig.store, { ...table, regions });
  await until(
    'it is told',
    async () => (await ask(rig.port, '/?id=told', { method: 'POST', headers: from('12.1.1.1') })).status === 200,
  );
  return rig;
}

/** What HAProxy finds wrong with the configuration for a policy. */
function configOf(routing: RoutingPolicy): string {
  const dir = mkdtempSync(join(tmpdir(), 'farshore-haproxy-'));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  const listen = { host: '127.0.0.1', port: 1 };
  const upstreams = [A, C].map((region) => ({ ...listen, region, rttMs: 1 }));
  const { audiences } = placeMapsOf({ routing, place: A, upstreams }, null);
  const [runtimeSocketPath, primaryMapPath] = [join(dir, 'run.sock'), join(dir, 'map')];
  writeFileSync(primaryMapPath, '');
  const common = { place: A, listen, runtimeSocketPath, primaryMapPath, agent: null, healthPath: '/', upstreams };
  const more = { serverStatePath: null, threads: 1, audiences, routing, weights: [], trust: null, placeMaps: null };
  writeFileSync(join(dir, 'cfg'), haproxyConfig({ ...common, ...more }));
  const { status, stderr } = spawnSync(PROGRAM, ['-c', '-f', join(dir, 'cfg')], { encoding: 'utf8' });
  return status === 0 ? '' : stderr;
}

const from = (address: string) => ({ 'x-forwarded-for': address });
const read = async (rig: Rig, headers: Record<string, string | string[]>): Promise<string> => {
  const { status, headers: said } = await ask(rig.port, '/', { headers });
  return status === 200 ? String(said['x-farshore-region']) : String(status);
};
const write = async (rig: Rig, headers: Record<string, string | string[]>): Promise<string> => {
  const { status, headers: said } = await ask(rig.port, '/?id=w', { method: 'POST', headers });
  return status === 200 ? String(said['x-farshore-region']) : `${status} ${String(said['x-farshore-outcome'])}`;
};

describe.skipIf(!installed)('HAProxy follows the policies', () => {
  test('geolocation: by the address behind a trusted proxy, by a trusted header, IPv6 too; others by `otherwise`', async () => {
    const rules = [{ label: 'DE', places: ['DE'], regions: [C] }];
    const geolocation = { rules, otherwise: [B], overrides: [{ network: '10.7.0.0/16', place: 'US', country: 'US' }] };
    const rig = await led(policy({ policies: ['geolocation', 'latency'], geolocation }));
    expect(await read(rig, from('10.1.1.1'))).toBe(C);
    expect(await read(rig, from('2001:db8::9'))).toBe(C);
    expect(await read(rig, from('10.7.1.1'))).toBe(B);
    expect(await read(rig, from('12.1.1.1'))).toBe(B);
    expect(await read(rig, {})).toBe(B);
    expect(await read(rig, { 'x-farshore-from': 'de' })).toBe(C);
    expect(await read(rig, { ...from('10.1.1.1'), 'x-farshore-from': 'BR' })).toBe(B);
    expect(await read(rig, from('no address'))).toBe(B);
    await rig.regions[2].kill();
    await until('the next one', async () => (await read(rig, from('10.1.1.1'))) !== '503');
    expect(await read(rig, from('10.1.1.1'))).toBe(A);
  });

  test('I11: a fenced user is answered by his regions or with 451, whatever is lost or drained; others are not', async () => {
    const fences = [{ name: 'law', countries: ['DE'], regions: [A] }];
    const routing = policy({ fences });
    const rig = await led(routing);
    const german = from('10.1.1.1');
    expect(await read(rig, german)).toBe(A);
    expect(await write(rig, german)).toBe('451 refused');
    expect(await write(rig, from('12.1.1.1'))).toBe(B);
    await rig.regions[0].kill();
    const refused = await Promise.all(Array.from({ length: 20 }, () => read(rig, german)));
    for (const each of refused) expect(each).toMatch(/^50[234]$/);
    expect(await read(rig, from('12.1.1.1'))).toBe(B);
    const again = await startRegion(A, rig.regions[0].port);
    cleanups.push(() => again.kill());
    await until('he is served again', async () => (await read(rig, german)) === A);
    // Fences that nobody told HAProxy about: what all of them allow is left, for everybody.
    await publish(
      rig.store,
      tableFor({ ...routing, fences: [...fences, { name: 'us', countries: ['US'], regions: [A, C] }] }, A, 2),
    );
    await until('it is narrower', async () => (await read(rig, from('12.1.1.1'))) === A);
    expect(rig.said.some((line) => line.includes('make it again'))).toBe(true);
  });

  test('I11: a header that names two countries, in one line or two, names none', async () => {
    const routing = policy({ fences: [{ name: 'law', countries: ['DE'], regions: [A] }] });
    const rig = await led(routing);
    const german = from('10.1.1.1');
    expect(await write(rig, { ...german, 'x-farshore-from': 'US' })).toBe(B);
    for (const two of ['AB, T1', 'T1, AB', 'US,US', ['AB', 'T1'], ['T1', 'AB'], ['US', 'US']])
      expect([two, await write(rig, { ...german, 'x-farshore-from': two })]).toEqual([two, '451 refused']);
  });

  test('I11: without a driver, a map of other policies leads no write to where these forbid it', async () => {
    const routing = policy({ fences: [{ name: 'law', countries: ['DE'], regions: [A] }] });
    const german = from('10.1.1.1');
    const positions = await newRig(cleanups, { rows: ROWS, routing, mapOf: () => `primary ${B}\nprimary-a0 ${B}\n` });
    expect(await write(positions, german)).toBe('503 refused');
    const mapOf: RigOptions['mapOf'] = (audiences) => audiences.map(({ name }) => `primary-${name} ${B}\n`).join('');
    const wrong = await newRig(cleanups, { rows: ROWS, routing, mapOf });
    expect(await write(wrong, german)).toBe('451 refused');
    expect(await write(wrong, from('12.1.1.1'))).toBe(B);
    for (const rig of [positions, wrong]) expect(await rig.regions[1].writes()).toEqual(rig === wrong ? ['w'] : []);
  });

  test('an address that only carries another one is that one; proxies in a row are believed, and nobody before the first that is not', async () => {
    const rules = [{ label: 'DE', places: ['DE'], regions: [C] }];
    const overrides = [
      { network: '::/0', place: 'DE', country: 'DE' },
      { network: '::ffff:192.0.2.0/120', place: 'DE', country: 'DE' },
    ];
    const geolocation = { rules, otherwise: [B], overrides };
    const rig = await led(policy({ policies: ['geolocation', 'latency'], geolocation }));
    const german = ['10.1.1.1', '192.0.2.7', '2001:db9::1', '::ffff:10.1.1.1', '::ffff:a01:101', '64:ff9b::a01:101'];
    const carried = ['2002:a01:101::1', '2001:0:1:2:3:4:f5fe:fefe'];
    for (const each of [...german, ...carried]) expect([each, await read(rig, from(each))]).toEqual([each, C]);
    const others = ['203.0.113.9', '::ffff:203.0.113.9', '64:ff9b::cb00:7109', '2002:cb00:7109::1'];
    for (const each of [...others, '2001:0:1:2:3:4:34ff:8ef6'])
      expect([each, await read(rig, from(each))]).toEqual([each, B]);
    const rows = [
      '10.1.1.1, 127.0.0.9',
      '12.1.1.1, 10.1.1.1, 127.0.0.8, ::ffff:127.0.0.9',
      '10.1.1.1,127.1.1.1,127.2.2.2',
    ];
    for (const row of rows) expect([row, await read(rig, from(row))]).toEqual([row, C]);
    for (const row of ['10.1.1.1, 12.1.1.1', '10.1.1.1, no address, 127.0.0.9', '10.1.1.1, 12.1.1.1, 127.0.0.9'])
      expect([row, await read(rig, from(row))]).toEqual([row, B]);
  });

  test('weighted: by the network of the client, always alike, in about the shares of the weights, which change without a reload', async () => {
    const routing = policy({ policies: ['weighted'] });
    const rig = await led(routing, { weights: [60, 20, 20] });
    const addresses = Array.from({ length: 600 }, (_, i) => `12.${i % 200}.${(i * 7) % 250}.1`);
    const ask = async () => {
      const got = new Map<string, string>();
      for (let at = 0; at < addresses.length; at += 20)
        await Promise.all(
          addresses.slice(at, at + 20).map(async (address) => got.set(address, await read(rig, from(address)))),
        );
      return got;
    };
    const shareOf = (got: ReadonlyMap<string, string>, region: PlaceId) =>
      [...got.values()].filter((it) => it === region).length / got.size;
    const before = await ask();
    expect(await ask()).toEqual(before);
    expect(shareOf(before, A)).toBeGreaterThan(0.5);
    expect(shareOf(before, A)).toBeLessThan(0.7);
    for (const region of [B, C]) expect(shareOf(before, region)).toBeGreaterThan(0.12);
    const neighbour = addresses[0]?.replace(/1$/, '77') ?? '';
    expect(await read(rig, from(neighbour))).toBe(before.get(addresses[0] ?? ''));
    for (const address of addresses.slice(0, 50)) {
      expect(await read(rig, from(`::ffff:${address}`))).toBe(before.get(address));
    }
    await publish(rig.store, {
      ...tableFor(routing, B, 2),
      regions: tableFor(routing).regions.map((region, i) => ({ ...region, weight: [0, 20, 20][i] ?? 1 })),
    });
    await until('weight 0 takes nobody', async () => (await rig.states()).get(`${READS}/${A}`) === 'maint');
    const after = await ask();
    expect(shareOf(after, A)).toBe(0);
    for (const [address, region] of before) if (region !== A) expect(after.get(address)).toBe(region);
  });

  test('a canary by header or cookie goes there while it may serve; a cookie keeps a client with its region until that is lost', async () => {
    const canary = { regions: [C], header: { name: 'x-canary', value: 'yes' }, cookie: { name: 'beta', value: null } };
    const rig = await led(policy({ canary, affinity: 'cookie' }));
    expect(await read(rig, { 'x-canary': 'yes' })).toBe(C);
    expect(await read(rig, { 'x-canary': 'no' })).toBe(A);
    expect(await read(rig, { cookie: 'a=1; beta=2' })).toBe(C);
    const { headers } = await ask(rig.port, '/');
    expect(String(headers['set-cookie'])).toContain(`farshore-region=${encodeURIComponent(A)}`);
    const pinned = { cookie: `farshore-region=${encodeURIComponent(B)}` };
    expect(await read(rig, pinned)).toBe(B);
    expect(await read(rig, { ...pinned, 'x-canary': 'yes' })).toBe(C);
    const table = tableFor(policy({ canary, affinity: 'cookie' }), A, 2);
    const regions = table.regions.map((it) => (it.id === B ? { ...it, state: 'drained' as const } : it));
    await publish(rig.store, { ...table, regions });
    await until('a hold counts more than a cookie', async () => (await read(rig, pinned)) === A);
    await rig.regions[2].kill();
    await until('the canary is lost', async () => (await read(rig, { 'x-canary': 'yes' })) === A);
  });

  test('closed: when all look dead nobody is asked', async () => {
    const rig = await led(policy({ whenAllUnhealthy: { kind: 'closed' } }));
    await Promise.all(rig.regions.map((region) => region.kill()));
    await until('all are down', async () =>
      (await rig.runtime('show stat'))
        .split('\n')
        .some((line) => line.startsWith(`${READS},BACKEND,`) && line.includes(',DOWN,')),
    );
    const again = await startRegion(A, rig.regions[0].port);
    cleanups.push(() => again.kill());
    expect(await read(rig, {})).toBe('503');
    await until('its checks have found it', async () => (await read(rig, {})) === A);
  });

  test('check: tcp: a region without a health page is well as long as it accepts connections', async () => {
    const base = policy({ whenAllUnhealthy: { kind: 'closed' } });
    const routing = { ...base, health: { ...base.health, check: 'tcp' as const } };
    const rig = await newRig(cleanups, { rows: ROWS, routing, healthPath: '/deep' });
    await Promise.all(rig.regions.map((region) => region.deep(404)));
    await until('all are checked', async () => {
      const lines = (await rig.runtime('show stat')).split('\n').filter((line) => line.startsWith(`${READS},`));
      return lines.filter((line) => line.includes(',L4OK,')).length === 3;
    });
    expect(await read(rig, {})).toBe(A);
  });

  test('HAProxy starts with whatever name and value a canary’s mark may have', async () => {
    const names = ["!#$%&'*+.^_`|~", "x'y", '#', '-f'];
    const values = ['-f', '-m', '--', "it's", '"', '\\', '#', '$HOME', '%[src]', '{', ' a ', 'ü, ö', null];
    for (const [i, value] of values.entries()) {
      const mark = { name: names[i % names.length] ?? '', value };
      const routing = policy({ canary: { regions: [C], header: mark, cookie: mark } });
      expect([mark, configOf(routing)]).toEqual([mark, '']);
    }
  });

  test('a primary’s region that says it can’t write keeps its reads, and writes are refused until it can', async () => {
    const deep = { check: 'http' as const, path: '/deep', everyMs: 100, timeoutMs: 300 };
    const base = policy({});
    const rig = await led({ ...base, health: { ...base.health, everyMs: 100, deep } });
    expect(await write(rig, {})).toBe(B);
    await rig.regions[1].deep(503);
    await until('writes are refused', async () => (await write(rig, {})) === '503 refused');
    expect(await read(rig, {})).toBe(A);
    expect((await rig.states()).get(`${READS}/${B}`)).toBe('ready');
    await rig.regions[1].deep(200);
    await until('writes are taken', async () => (await write(rig, {})) === B);
  });
});
