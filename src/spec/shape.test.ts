import { DNS_SHAPE } from '../../test/unit/dns-cases.ts';
import { expect, test } from 'vitest';
import { codesOf, edit, errorsOf, expectErrors, THREE, TWO, type Case } from '../../test/unit/spec-cases.ts';
import { SPEC_CODES } from './diagnostic.ts';

const SHAPE: readonly Case[] = [
  ...DNS_SHAPE,
  {
    title: 'broken YAML',
    text: edit(TWO, ['[node, app/server.mjs]', '[node, app/server.mjs']),
    expect: ['E1001 27:3'],
  },
  { title: 'only the first syntax error', text: 'a: [1\nb: }\nc: "x\n', expect: ['E1001 2:1'] },
  {
    title: 'the same key twice',
    text: edit(TWO, ['tier: critical', 'name: shop']),
    expect: ['E1001 4:1'],
    says: 'unique',
  },
  { title: 'an alias to nothing', text: edit(TWO, ['rto: 30s', 'rto: *fast']), expect: ['E1001 1:1'], says: 'fast' },
  { title: 'a tag nobody knows', text: edit(TWO, ['rto: 30s', 'rto: !env RTO']), expect: ['E1001 6:8'] },
  { title: 'a file too long to be one', text: `# ${'x'.repeat(1_000_001)}`, expect: ['E1001 1:1'], says: '1 MB' },
  { title: 'an empty file', text: '', expect: ['E1004 1:1'], says: 'a map of keys' },
  {
    title: 'a misspelt key',
    text: edit(TWO, ['  replication:', '  replicaton:']),
    expect: ['E1003 17:1', 'E1002 18:3'],
  },
  {
    title: 'a key in the wrong place',
    text: edit(TWO, ['  lease: 3s', '  confirm: 1']),
    expect: ['E1002 22:3'],
    says: 'belongs under "database.replication"',
  },
  {
    title: 'a key of nothing',
    text: edit(TWO, ['tier: critical', 'flavour: 7']),
    expect: ['E1002 4:1'],
    says: 'known here: farshore',
  },
  {
    title: 'a missing key',
    text: edit(TWO, ['model: active-passive\n', '']),
    expect: ['E1003 1:1'],
    says: 'active-passive | active-active',
  },
  {
    title: 'a list item without its key',
    text: edit(TWO, ['- id: aws:eu-west-1\n    role', '- role']),
    expect: ['E1003 11:5'],
    says: 'regions[1]',
  },
  {
    title: 'a text for a list',
    text: edit(TWO, ['[node, app/server.mjs]', 'node app/server.mjs']),
    expect: ['E1004 26:12'],
    says: '[node, app/server.mjs]',
  },
  {
    title: 'a text for a switch',
    text: edit(TWO, ['store: true', 'store: yes']),
    expect: ['E1004 14:34'],
    says: 'true or false',
  },
  {
    title: 'a misspelt word',
    text: edit(TWO, ['active-passive', 'active-pasive']),
    expect: ['E1005 3:8'],
    says: 'did you mean "active-passive"?',
  },
  {
    title: 'a duration as a bare number',
    text: edit(TWO, ['rto: 30s', 'rto: 30']),
    expect: ['E1006 6:8'],
    says: 'did you mean "30s"?',
  },
  {
    title: 'a duration in words',
    text: edit(TWO, ['rto: 30s', 'rto: 60 sec']),
    expect: ['E1006 6:8'],
    says: 'did you mean "60s"?',
  },
  {
    title: 'a size as a bare number',
    text: edit(TWO, ['mode: sync', 'maxLoss: 65536\n    mode: sync']),
    expect: ['E1009 19:14'],
    says: 'did you mean "64kB"?',
  },
  {
    title: 'a duration with a fraction',
    text: edit(TWO, ['evictAfter: 2s', 'evictAfter: 1.5s']),
    expect: ['E1006 24:15'],
    says: 'did you mean "1500ms"?',
  },
  {
    title: 'a duration out of bounds',
    text: edit(TWO, ['lease: 3s', 'lease: 1s']),
    expect: ['E1007 22:10'],
    says: 'between 2s and 2m',
  },
  {
    title: 'a number out of bounds',
    text: edit(TWO, ['role: passive', 'weight: -1']),
    expect: ['E1007 12:13'],
    says: 'at least 0',
  },
  {
    title: 'one region',
    text: edit(THREE, [', { id: aws:eu-west-1 }, { id: aws:ap-northeast-1 }', '']),
    expect: ['E1007 5:1', 'E2004 3:8'],
    says: 'at least 2',
  },
  {
    title: 'a name of another format',
    text: edit(TWO, ['name: shop', 'name: My Shop']),
    expect: ['E1008 2:7'],
    says: 'small letters',
  },
  {
    title: 'a path of another format',
    text: edit(TWO, ['/healthz', 'healthz']),
    expect: ['E1008 27:11'],
    says: '/healthz',
  },
];

test.each(SHAPE)('$title', expectErrors);

test('every E1 code is shown by a case above', () => {
  expect(codesOf(SHAPE, ['E1'])).toEqual(
    Object.keys(SPEC_CODES)
      .filter((code) => code.startsWith('E1'))
      .toSorted(),
  );
});

test('nesting deeper than any stack is a syntax error, not a crash', () => {
  expect(errorsOf('['.repeat(20_000)).map(({ code }) => code)).toEqual(['E1001']);
  expect(errorsOf(`a: ${'{a: '.repeat(20_000)}`).map(({ code }) => code)).toEqual(['E1001']);
});
