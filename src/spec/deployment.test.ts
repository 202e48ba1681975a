import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defaultKnobs } from '../base/knobs.ts';
import { readFacts } from '../cli/read-facts.ts';
import { storePlaces } from './deployment.ts';
import { commitWait, explainDeployment, knobsOf } from './meaning.ts';
import { edit, parse, THREE, TWO } from '../../test/unit/spec-cases.ts';

describe('deployments', () => {
  test('defaults are filled in', () => {
    const parsed = parse(THREE);
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        notes: [],
        deployment: {
          objectives: { rtoMs: 300_000, rpoMs: 30_000 },
          regions: [
            { id: 'aws:us-east-1', role: 'active', weight: 1, control: 'owned', nodes: ['n1'], promotable: true },
            { role: 'active' },
            { role: 'active' },
          ],
          sites: [{ id: 'aws:us-east-2', store: true, witness: true }],
          residency: [],
          replication: { mode: 'semi-sync', confirm: 1, whenAlone: 'block', rpoWhileDegradedMs: null },
          leaseTtlMs: 3_000,
          timings: {},
          application: null,
        },
      },
    });
  });

  test('what the file says is kept, and the active region comes first', () => {
    const swapped = edit(
      TWO,
      ['role: active', 'role: PASSIVE'],
      ['role: passive', 'role: active'],
      ['PASSIVE', 'passive'],
    );
    const parsed = parse(swapped);
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        deployment: {
          regions: [{ id: 'aws:eu-west-1' }, { id: 'aws:eu-central-1' }],
          replication: { mode: 'sync', confirm: 1, rpoWhileDegradedMs: 86_400_000 },
          timings: { evictAfterMs: 2_000 },
          application: { command: ['node', 'app/server.mjs'], healthPath: '/healthz' },
        },
      },
    });
  });

  test('certificates are for the names of `traffic`, and a check by TLS is no surprise then', () => {
    const text = `${THREE}edge:
  tls: { certificates: [{ cert: a.pem, key: a.key }], ca: ca.pem }
traffic: { hosts: [shop.example], health: { address: { check: tls, host: www.shop.example } } }
`;
    expect(parse(text)).toMatchObject({
      ok: true,
      value: {
        notes: [],
        deployment: {
          edgeTls: {
            certificates: [{ cert: 'a.pem', key: 'a.key' }],
            ca: 'ca.pem',
            hosts: ['shop.example', 'www.shop.example'],
          },
        },
      },
    });
    const without = parse(THREE);
    expect(without.ok && without.value.deployment.edgeTls).toBeNull();
  });

  test('semi-sync with one standby becomes sync', () => {
    const parsed = parse(edit(TWO, ['mode: sync', 'mode: semi-sync']));
    expect(parsed.ok && parsed.value.deployment.replication).toMatchObject({ mode: 'sync', confirm: 1 });
  });

  test.each([
    ['sync', 'aws:ap-northeast-1', 149],
    ['semi-sync', 'aws:eu-west-1', 70],
  ])('a commit under %s waits for %s: %d ms', (mode, to, ms) => {
    const parsed = parse(edit(THREE, ['semi-sync', mode]));
    if (!parsed.ok) throw new Error('invalid');
    expect(commitWait(parsed.value.deployment, readFacts())).toMatchObject({
      to,
      rtt: { value: ms, method: 'measured' },
    });
  });

  test('knobs: the defaults, and what the file sets', () => {
    const parsed = parse(edit(TWO, ['evictAfter: 2s', 'evictAfter: 1s'], ['lease: 3s', 'lease: 5s']));
    if (!parsed.ok) throw new Error('invalid');
    expect(knobsOf(parsed.value.deployment)).toEqual({ ...defaultKnobs(), evictAfterMs: 1_000, leaseTtlMs: 5_000 });
  });

  test('a store of three members, in regions and on a site', () => {
    const member = (role: string): [string, string] => [`    role: ${role}`, `    role: ${role}\n    store: true`];
    const parsed = parse(edit(TWO, member('active'), member('passive')));
    if (!parsed.ok) throw new Error('invalid');
    expect(storePlaces(parsed.value.deployment)).toEqual(['aws:eu-north-1', 'aws:eu-central-1', 'aws:eu-west-1']);
    expect(explainDeployment(parsed.value.deployment, readFacts())[1]).toContain(
      'etcd on aws:eu-north-1, aws:eu-central-1',
    );
  });

  test('nodes of a region have names in order', () => {
    const parsed = parse(edit(TWO, ['role: passive', 'nodes: 2']));
    if (!parsed.ok) throw new Error('invalid');
    expect(parsed.value.deployment.regions.map((region) => region.nodes)).toEqual([['n1'], ['n1', 'n2']]);
  });

  const folder = new URL('../../examples/', import.meta.url);
  const examples = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  test('the examples are found', () => expect(examples.length).toBeGreaterThanOrEqual(4));
  test.each(examples)('examples/%s is valid', (name) => {
    expect(parse(readFileSync(new URL(name, folder), 'utf8'))).toMatchObject({ ok: true });
  });
});
