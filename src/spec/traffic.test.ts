import { describe, expect, test } from 'vitest';
import { edit, parse, THREE, TWO } from '../../test/unit/spec-cases.ts';

const routingOf = (text: string) => {
  const parsed = parse(text);
  if (!parsed.ok) throw new Error(parsed.error.map((each) => each.message).join('; '));
  return parsed.value.deployment.traffic.routing;
};
const traffic = (...lines: readonly string[]) => `${THREE}traffic:\n${lines.map((line) => `  ${line}\n`).join('')}`;

describe('traffic', () => {
  test('without the section: the order for active-passive, the nearest region for the others, held when all look unhealthy', () => {
    expect(routingOf(TWO)).toMatchObject({
      policies: ['failover'],
      failover: { order: ['aws:eu-central-1', 'aws:eu-west-1'], holdDownMs: 0, failback: 'auto' },
      whenAllUnhealthy: { kind: 'hold-last' },
      fences: [],
      unmapped: 'fenced',
    });
    expect(routingOf(THREE)).toMatchObject({ policies: ['latency'], slowStartMs: 0, affinity: 'none', canary: null });
  });

  test('the narrower word counts: a country before its bloc, a bloc before its continent', () => {
    const { geolocation } = routingOf(
      traffic(
        'policies: [geolocation, latency]',
        'geolocation:',
        '  rules:',
        '    - { places: [europe, africa], regions: [aws:eu-west-1] }',
        '    - { places: [EU], regions: [aws:us-east-1] }',
        '    - { places: [DE, office], regions: [aws:ap-northeast-1] }',
        '  otherwise: [aws:us-east-1]',
        '  networks: [{ network: 192.0.2.0/24, place: office, country: DE }, { network: 2001:db8::/32, place: FR }]',
      ),
    );
    const ruleOf = (place: string) => geolocation.rules.findIndex((rule) => rule.places.includes(place));
    expect(['GB', 'CH', 'ZA', 'RE', 'FR', 'IE', 'DE', 'office', 'US'].map(ruleOf)).toEqual([
      0, 0, 0, 0, 1, 1, 2, 2, -1,
    ]);
    const places = geolocation.rules.flatMap((rule) => rule.places);
    expect(new Set(places).size).toBe(places.length);
    expect(geolocation.overrides.map(({ country }) => country)).toEqual(['DE', 'FR']);
    expect(geolocation.otherwise).toEqual(['aws:us-east-1']);
  });

  test('a fence becomes countries and regions', () => {
    const { fences } = routingOf(traffic('fences: [{ name: gdpr, users: [EEA], within: EU }]'));
    expect(fences[0]?.regions).toEqual(['aws:eu-west-1']);
    expect(fences[0]?.countries).toHaveLength(30);
  });

  test('a TLS check is for the first host, unless it names one; without the section the health path is asked', () => {
    const { health } = routingOf(
      traffic('hosts: [shop.example, www.shop.example]', 'health: { address: { check: tls } }'),
    );
    expect(health.address).toEqual({ check: 'tls', host: 'shop.example' });
    expect(routingOf(THREE).health).toMatchObject({ check: 'http', address: { check: 'http' }, observers: 'majority' });
  });

  test('deep checks: none unless the file asks for one, with its defaults', () => {
    expect(routingOf(THREE).health).not.toHaveProperty('deep');
    expect(routingOf(traffic('health: { deep: { check: commit, within: 5s } }')).health.deep).toEqual({
      check: 'commit',
      withinMs: 5_000,
      everyMs: 1_000,
      timeoutMs: 1_000,
    });
    expect(routingOf(traffic('health: { deep: { check: http, path: /healthz/deep, every: 2s } }')).health.deep).toEqual(
      {
        check: 'http',
        path: '/healthz/deep',
        everyMs: 2_000,
        timeoutMs: 1_000,
      },
    );
  });

  test('a canary’s value is a text that a header can carry', () => {
    const canaryOf = (value: string) =>
      traffic(`canary: { regions: [aws:eu-west-1], header: { name: x-canary, value: ${value} } }`);
    expect(routingOf(canaryOf(`"it's #1, -f"`)).canary?.header?.value).toBe(`it's #1, -f`);
    for (const value of [String.raw`"a\nb"`, String.raw`"\0"`, '""']) expect(parse(canaryOf(value)).ok).toBe(false);
  });

  test('everything else as written', () => {
    const text = edit(
      traffic(
        'policies: [latency, weighted]',
        'latency: { within: 20ms, hysteresis: 8ms }',
        'failover: { order: [aws:ap-northeast-1], holdDown: 1m, failback: manual }',
        'slowStart: 30s',
        'canary: { regions: [aws:eu-west-1], header: { name: X-Canary }, cookie: { name: Beta, value: "1" } }',
        'affinity: cookie',
        'whenAllUnhealthy: static',
        'static: [aws:us-east-1]',
        'health: { every: 1s, fall: 3, bucket: 9, check: tcp, address: { check: tls, host: shop.example } }',
      ),
      ['{ id: aws:eu-west-1 }', '{ id: aws:eu-west-1, capacity: 500 }'],
    );
    expect(routingOf(text)).toMatchObject({
      latency: { withinMs: 20, hysteresisMs: 8 },
      failover: {
        order: ['aws:ap-northeast-1', 'aws:us-east-1', 'aws:eu-west-1'],
        holdDownMs: 60_000,
        failback: 'manual',
      },
      slowStartMs: 30_000,
      capacity: { 'aws:eu-west-1': 500 },
      canary: {
        regions: ['aws:eu-west-1'],
        header: { name: 'x-canary', value: null },
        cookie: { name: 'Beta', value: '1' },
      },
      affinity: 'cookie',
      whenAllUnhealthy: { kind: 'static', regions: ['aws:us-east-1'] },
      health: {
        everyMs: 1_000,
        timeoutMs: 500,
        fall: 3,
        rise: 4,
        bucket: 9,
        leakAfter: 20,
        check: 'tcp',
        address: { check: 'tls', host: 'shop.example' },
      },
    });
  });
});
