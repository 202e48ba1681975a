import { describe, expect, test } from 'vitest';
import {
  brief,
  codesOf,
  diagnosticsOf,
  edit,
  errorsOf,
  expectErrors,
  parse,
  THREE,
  TWO,
  type Case,
} from '../../test/unit/spec-cases.ts';
import { DNS_MEANING } from '../../test/unit/dns-cases.ts';
import { PLANNING } from '../../test/unit/planning-cases.ts';
import { TRAFFIC } from '../../test/unit/traffic-cases.ts';
import { SPEC_CODES } from './diagnostic.ts';

const MEANING: readonly Case[] = [
  ...DNS_MEANING,
  {
    title: 'a misspelt region',
    text: edit(TWO, ['aws:eu-west-1', 'aws:eu-wset-1']),
    expect: ['E2001 11:9'],
    says: 'did you mean "aws:eu-west-1"?',
  },
  {
    title: 'a region without its provider',
    text: edit(TWO, ['aws:eu-north-1', 'eu-north-1']),
    expect: ['E2001 14:11'],
    says: 'did you mean "aws:eu-north-1"?',
  },
  {
    title: 'a region of an unknown provider',
    text: edit(TWO, ['aws:eu-north-1', 'moon:base']),
    expect: ['E2001 14:11'],
    says: 'aws, azure, gcp',
  },
  { title: 'a region twice', text: edit(TWO, ['aws:eu-west-1', 'aws:eu-central-1']), expect: ['E2002 11:9 +9:9'] },
  {
    title: 'a region that is a site too',
    text: edit(TWO, ['aws:eu-north-1', 'aws:eu-west-1']),
    expect: ['E2003 14:11 +11:9'],
  },
  {
    title: 'two active regions in active-passive',
    text: edit(TWO, ['role: passive', 'role: active']),
    expect: ['E2004 3:8 +12:11'],
  },
  {
    title: 'one active region in active-active',
    text: edit(TWO, ['model: active-passive', 'model: active-active']),
    expect: ['E2004 3:8 +12:11'],
  },
  {
    title: 'a jurisdiction that is none',
    text: edit(TWO, ['jurisdiction: EU', 'jurisdiction: UK']),
    expect: ['E2005 16:33'],
    says: 'did you mean "GB"?',
  },
  {
    title: 'a site that does nothing',
    text: edit(THREE, ['store: true }', 'store: true }, { id: aws:us-west-2, witness: false }']),
    expect: ['E2006 6:47'],
  },
  {
    title: 'an RTO looser than the tier',
    text: edit(TWO, ['rto: 30s', 'rto: 5m']),
    expect: ['E2007 6:8 +4:7'],
    says: 'below 1m',
  },
  {
    title: 'a store of two members',
    text: edit(THREE, ['store: true }', 'store: true }, { id: aws:us-west-2, store: true }']),
    expect: ['E2103 6:73'],
    says: 'the majority of 2 survives the loss of 0, as that of 1 does',
  },
  {
    title: 'a store whose only member is in a region',
    text: edit(TWO, ['store: true, ', ''], ['    role: passive', '    role: passive\n    store: true']),
    expect: ['E2101 13:12'],
    says: 'takes the primary and the store together',
  },
  {
    title: 'a store of four members',
    text: edit(
      TWO,
      ['    role: active', '    role: active\n    store: true'],
      ['    role: passive', '    role: passive\n    store: true'],
      ['witness: true }', 'witness: true }\n  - { id: aws:eu-west-3, store: true }'],
    ),
    expect: ['E2103 14:12'],
    says: 'three or five',
  },
  { title: 'no store', text: edit(TWO, ['store: true, ', '']), expect: ['E2101 13:1'] },
  {
    title: 'no sites',
    text: edit(TWO, ['sites:\n  - { id: aws:eu-north-1, store: true, witness: true }\n', '']),
    expect: ['E2101 8:1', 'E2102 8:1'],
  },
  {
    title: 'two regions without a witness',
    text: edit(TWO, ['witness: true', 'witness: false']),
    expect: ['E2102 8:1 +14:49'],
  },
  { title: 'rpo 0 with async', text: edit(TWO, ['mode: sync', 'mode: async']), expect: ['E2201 7:8 +19:11'] },
  {
    title: 'an rpo too short for async',
    text: edit(THREE, ['semi-sync', 'async'], ['regions', 'objectives: { rpo: 1s }\nregions']),
    expect: ['E2202 5:20 +9:24'],
    says: '3200ms',
  },
  {
    title: 'async that confirms',
    text: edit(THREE, ['semi-sync,', 'async, confirm: 1,']),
    expect: ['E2206 8:40 +8:24'],
  },
  {
    title: 'a loss accepted by a mode that loses nothing',
    text: edit(THREE, ['semi-sync,', 'semi-sync, maxLoss: 16MB,']),
    expect: ['E2206 8:44 +8:24'],
  },
  {
    title: 'a size without its unit',
    text: edit(THREE, ['semi-sync,', 'async, maxLoss: 16777216,']),
    expect: ['E1009 8:40'],
    says: 'did you mean "16MB"?',
  },
  {
    title: 'a size with another unit',
    text: edit(THREE, ['semi-sync,', 'async, maxLoss: 16 mb,']),
    expect: ['E1009 8:40'],
    says: 'did you mean "16MB"?',
  },
  {
    title: 'a size that no WAL has',
    text: edit(THREE, ['semi-sync,', 'async, maxLoss: 99TB,']),
    expect: ['E1007 8:40'],
    says: 'between 0B and 1TB',
  },
  {
    title: 'two regions that block',
    text: edit(TWO, ['serve-with-rpo-suspended\n    rpoWhileDegraded: 24h', 'block']),
    expect: ['E2203 20:16 +6:8 +8:1'],
  },
  {
    title: 'rpo 0 and nothing declared for degrading',
    text: edit(TWO, ['    rpoWhileDegraded: 24h\n', '']),
    expect: ['E2204 7:8 +20:16'],
  },
  {
    title: 'more confirmations than standbys',
    text: edit(THREE, ['semi-sync,', 'semi-sync, confirm: 3,']),
    expect: ['E2205 8:44 +5:1'],
    says: 'no write',
  },
  {
    title: 'as many confirmations as standbys',
    text: edit(THREE, ['semi-sync,', 'semi-sync, confirm: 2,']),
    expect: ['E2205 8:44 +5:1'],
    says: 'mode: sync',
  },
  {
    title: 'confirm with sync',
    text: edit(TWO, ['mode: sync', 'mode: sync\n    confirm: 1']),
    expect: ['E2206 20:14 +19:11'],
  },
  {
    title: 'guard with sync',
    text: edit(TWO, ['mode: sync', 'mode: sync\n    guard: block']),
    expect: ['E2206 20:12 +19:11'],
  },
  {
    title: 'an rpo while degraded shorter than the rpo',
    text: edit(TWO, ['tier: critical', 'tier: high'], ['rpo: 0s', 'rpo: 30s'], ['24h', '5s']),
    expect: ['E2207 21:23 +7:8'],
  },
  {
    title: 'a lease longer than the RTO',
    text: edit(TWO, ['rto: 30s', 'rto: 8s'], ['lease: 3s', 'lease: 10s']),
    expect: ['E2301 22:10 +6:8'],
  },
  {
    title: 'the default lease is meant too',
    text: edit(TWO, ['rto: 30s', 'rto: 7s'], ['lease: 3s', 'lease: 9s']),
    expect: ['E2301 22:10 +6:8'],
  },
  {
    title: 'a detection later than the RTO',
    text: edit(TWO, ['rto: 30s', 'rto: 5s']),
    expect: ['E2302 6:8'],
    says: '6s, the default of timings.wedgedAfter',
  },
  {
    title: 'timings that contradict each other',
    text: edit(TWO, ['evictAfter: 2s', 'evictAfter: 7s']),
    expect: ['E2303 24:15'],
    says: 'healthy primary',
  },
  {
    title: 'two written timings that contradict each other',
    text: edit(TWO, ['evictAfter: 2s', 'evictAfter: 7s\n  wedgedAfter: 7s']),
    expect: ['E2303 24:15 +25:16'],
  },
  {
    title: 'data outside the jurisdiction',
    text: edit(TWO, ['aws:eu-west-1', 'aws:eu-west-2']),
    expect: ['E2402 8:1 +16:33', 'E2401 11:9 +16:33'],
  },
  {
    title: 'data outside the jurisdiction, with two regions inside',
    text: edit(TWO, ['    role: passive', '    role: passive\n  - id: aws:us-east-1']),
    expect: ['E2401 13:9 +17:33'],
    says: 'US',
  },
  {
    title: 'a tier that is not built',
    text: edit(TWO, ['tier: critical', 'tier: medium']),
    expect: ['E2901 4:7'],
    says: 'not built yet',
  },
  {
    title: 'a control that is not built',
    text: edit(TWO, ['role: passive', 'control: attached']),
    expect: ['E2901 12:14'],
    says: 'not built yet',
  },
];

const NOTES: readonly Case[] = [
  {
    title: 'semi-sync with one standby',
    text: edit(TWO, ['mode: sync', 'mode: semi-sync']),
    expect: ['N3001 19:11', 'N3002 20:16'],
  },
  {
    title: 'a weight of a passive region',
    text: edit(TWO, ['role: passive', 'role: passive\n    weight: 5']),
    expect: ['N3003 13:13', 'N3002 21:16'],
  },
  {
    title: 'rpoWhileDegraded with block',
    text: edit(THREE, ['block }', 'block, rpoWhileDegraded: 1h }']),
    expect: ['N3003 8:71'],
  },
  {
    title: 'names that DNS leads and traffic does not know, and the other way round',
    text: `${THREE}traffic:\n  hosts: [shop.example, go.example]\ndns:\n  zone: shop.example\n`,
    expect: ['N3004 10:3'],
    says: 'leads nobody to go.example; `traffic.hosts` does not have www.shop.example',
  },
  {
    title: 'a name for a check that asks for none',
    text: `${THREE}traffic:\n  health: { address: { check: tcp, host: shop.example } }\n`,
    expect: ['N3003 10:42'],
  },
  {
    title: 'a check by TLS, which the edges of a world do not speak',
    text: `${THREE}traffic:\n  health: { address: { check: tls, host: shop.example } }\n`,
    expect: ['N3005 10:31'],
    says: 'without `edge.tls`',
  },
  {
    title: 'a path for a check of commits',
    text: `${THREE}traffic:\n  health: { deep: { check: commit, path: /healthz/deep } }\n`,
    expect: ['N3003 10:42'],
  },
];

describe('diagnostics', () => {
  test.each([...MEANING, ...PLANNING, ...TRAFFIC])('$title', expectErrors);

  test.each(NOTES)('note: $title', ({ text, expect: expected, says }) => {
    expect(parse(text).ok).toBe(true);
    const found = diagnosticsOf(text);
    expect(found.map(brief)).toEqual(expected);
    if (says !== undefined) expect(found.map(({ message }) => message).join()).toContain(says);
  });

  /** Of what is yet to be planned: shown in src/cli/plan/bad-input.test.ts. */
  const OF_REQUESTS = ['E2608', 'E2609'];

  test('every E2 and N code is shown by a case above', () => {
    expect(codesOf([...MEANING, ...PLANNING, ...TRAFFIC, ...NOTES], ['E2', 'N'])).toEqual(
      Object.keys(SPEC_CODES)
        .filter((code) => !code.startsWith('E1') && !OF_REQUESTS.includes(code))
        .toSorted(),
    );
  });

  test.each([
    {
      title: 'a lease as long as the RTO',
      text: edit(TWO, ['rto: 30s', 'rto: 10s'], ['lease: 3s', 'lease: 10s']),
      expect: [],
    },
    { title: 'a detection as late as the RTO', text: edit(TWO, ['rto: 30s', 'rto: 6s']), expect: ['E2302 6:8'] },
    { title: "an RTO of the tier's bound", text: edit(TWO, ['rto: 30s', 'rto: 1m']), expect: ['E2007 6:8 +4:7'] },
    {
      title: 'an rpo of lease + heartbeat with async',
      text: edit(THREE, ['semi-sync', 'async'], ['regions', 'objectives: { rpo: 3200ms }\nregions']),
      expect: [],
    },
    {
      title: 'a shorter rpo with async and a guard',
      text: edit(THREE, ['semi-sync,', 'async, guard: block,'], ['regions', 'objectives: { rpo: 1s }\nregions']),
      expect: [],
    },
    {
      title: 'two of three regions active in global',
      text: edit(THREE, ['aws:eu-west-1', 'aws:eu-west-1, role: passive']),
      expect: ['E2004 3:8 +5:61'],
    },
  ])('at the bound: $title', expectErrors);

  test('all errors of shape and meaning at once, in the order of the file', () => {
    const text = edit(
      TWO,
      ['rto: 30s', 'rto: soon'],
      ['aws:eu-west-1', 'aws:us-east-1'],
      ['mode: sync', 'mode: async'],
    );
    expect(errorsOf(text).map(({ code }) => code)).toEqual(['E1006', 'E2201', 'E2402', 'E2401']);
  });

  test('a part inside an anchor is found where it is written', () => {
    const text = edit(THREE, ['[{ id: aws:us-east-1 }', '[&a { id: aws:us-east-1 }'], ['{ id: aws:eu-west-1 }', '*a']);
    expect(errorsOf(text).map(brief)).toEqual(['E2002 5:20 +5:20']);
  });

  test('two disagreeing lines each say their part', () => {
    const [found] = errorsOf(edit(TWO, ['mode: sync', 'mode: async']));
    expect(found?.marks.map(({ label }) => label)).toEqual([
      'asked here',
      'acknowledges writes that no other region has: losing the region loses them',
    ]);
  });
});
