import { expect, test } from 'vitest';
import { policyTable } from './testing.ts';
import { defaultRouting } from './defaults.ts';
import { parseRouteTable } from './table.ts';

const healthOf = (health: unknown) => {
  const table = policyTable({});
  const routing = { ...defaultRouting(table.regions), health };
  const parsed = parseRouteTable(JSON.stringify({ ...table, routing }));
  return parsed.ok ? parsed.value.routing?.health : parsed.error;
};
const OLD = { everyMs: 500, timeoutMs: 500, fall: 2, rise: 4 };

test('the health of an older table, and everything a newer one says', () => {
  expect(healthOf(OLD)).toEqual(OLD);
  const all = {
    ...OLD,
    bucket: 9,
    leakAfter: 5,
    check: 'tcp',
    address: { check: 'tls', host: 'shop.example' },
    observers: 'own',
    deep: { check: 'http', path: '/healthz/deep', everyMs: 1_000, timeoutMs: 500 },
  };
  expect(healthOf(all)).toEqual(all);
  const commits = { ...OLD, deep: { check: 'commit', withinMs: 3_000, everyMs: 1_000, timeoutMs: 500 } };
  expect(healthOf(commits)).toEqual(commits);
});

test.each([
  [{ ...OLD, fall: 0 }],
  [{ ...OLD, bucket: 'six' }],
  [{ ...OLD, check: 'icmp' }],
  [{ ...OLD, observers: 'two' }],
  [{ ...OLD, address: { check: 'tls' } }],
  [{ ...OLD, deep: { check: 'http', everyMs: 1_000, timeoutMs: 500 } }],
  [{ ...OLD, deep: { check: 'sql', everyMs: 1_000, timeoutMs: 500 } }],
])('a plane that would understand half of it refuses it: %j', (health) => {
  expect(healthOf(health)).toContain('health is malformed');
});
