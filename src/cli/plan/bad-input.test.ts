import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import type { Plan } from '../../plan/plan.ts';
import { plan } from '../plan.ts';
import { reportError } from '../report-error.ts';

/** What a person gets wrong in a file for the planner: each is an error with its place and what would mend it. */
const folder = mkdtempSync(join(tmpdir(), 'farshore bad input '));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const SHOP = readFileSync(fileURLToPath(new URL('../../../examples/plan/eu-shop.yaml', import.meta.url)), 'utf8');
let files = 0;

/** The example changed in one place; the line of the file that has `marked` in it. */
function write(change: (text: string) => string, marked: string): { readonly file: string; readonly line: number } {
  const text = change(SHOP);
  const file = join(folder, `bad-${(files += 1)}.yaml`);
  writeFileSync(file, text);
  return { file, line: text.split('\n').findIndex((line) => line.includes(marked)) + 1 };
}

async function run(...argv: string[]) {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      output[name] += String(chunk);
      return true;
    });
  const exit = await plan([...argv, '--facts', folder]).catch(reportError);
  vi.restoreAllMocks();
  return { exit, ...output };
}

describe('the file is wrong: exit 3, with file:line and what would mend it', () => {
  test.each([
    [
      'shares that do not add up',
      ['share: 45', 'share: 40'],
      'users:',
      'add up to 95 percent, not 100',
      'with 13 in the last entry they would',
    ],
    [
      'an unknown country',
      ['country: PL', 'country: Poland'],
      'Poland',
      'unknown country "Poland"',
      'did you mean "PL"',
    ],
    [
      'an unknown metro',
      ['country: PL', 'country: PL, metro: Warsav'],
      'Warsav',
      'unknown metro "Warsav" in PL',
      'did you mean "Warsaw"?',
    ],
    [
      'an unknown region',
      ['  providers: [aws]', '  pin: [aws:eu-wst-1]'],
      'pin:',
      'unknown region "aws:eu-wst-1"',
      'did you mean "aws:eu-west-1"?',
    ],
    [
      'a ban of nothing',
      ['  providers: [aws]', "  ban: ['aws:eu-wst-1']"],
      'ban:',
      '"aws:eu-wst-1" matches no region',
      'did you mean "aws:eu-west-1"?',
    ],
    [
      'a pin that is banned',
      ['  providers: [aws]', "  pin: [aws:eu-west-1]\n  ban: ['aws:eu-*']"],
      'pin:',
      'aws:eu-west-1 is pinned and banned',
      'remove one of the two',
    ],
    [
      'a pin of a provider that is not allowed',
      ['  providers: [aws]', '  providers: [aws]\n  pin: [gcp:europe-west1]'],
      'pin:',
      'gcp:europe-west1 is pinned, but its provider is not allowed',
      'only these',
    ],
    [
      'more pins than regions',
      ['  providers: [aws]', '  regions: { max: 2 }\n  pin: [aws:eu-west-1, aws:eu-west-3, aws:eu-north-1]'],
      'pin:',
      '3 regions are pinned, at most 2 may be chosen',
      '',
    ],
    [
      'a world of two regions',
      ['plan:\n  providers: [aws]', 'plan:\n  providers: [aws]\n  regions: { min: 2 }\n'],
      'min: 2',
      'model global has three or more regions',
      '',
    ],
    [
      'no loss, by a mode that loses',
      ['plan:', 'database: { replication: { mode: async, whenAlone: block } }\nplan:'],
      'rpo: 0s',
      'rpo 0s cannot be kept by asynchronous replication',
      'mode: semi-sync',
    ],
    [
      'all of three regions to confirm',
      [
        'plan:\n  providers: [aws]',
        'database: { replication: { mode: sync, whenAlone: block } }\nplan:\n  providers: [aws]\n  regions: { min: 2, max: 3 }',
      ],
      'mode: sync',
      '`mode: sync` with 2 to 3 regions to choose',
      'write `mode: semi-sync`',
    ],
    [
      'an objective about a country without users',
      ['within: 60ms, for: 80', 'within: 60ms, for: 80, country: SE'],
      'country: SE',
      'no users in SE: the users are in DE, FR, IT, ES, PL',
      'add SE to the users',
    ],
    ['an objective that is no time', ['within: 60ms', 'within: 60'], 'within: 60', '60', 'ms'],
  ] as const)('%s', async (name, [from, to], marked, message, help) => {
    const model = name === 'a world of two regions' ? 'model: global' : 'model: active-passive';
    const { file, line } = write((text) => text.replace('model: active-passive', model).replace(from, to), marked);
    const { exit, stderr } = await run(file);
    expect(exit).toBe(3);
    expect(stderr).toContain(`${file}:${line}:`);
    expect(stderr).toContain(message);
    expect(stderr).toContain(help);
  });

  test.each([
    ['a wrong column', 'contry,share\nDE,1\n', 1, 'rename "contry" to "country"'],
    ['no column of shares', 'country,users\nDE,1\n', 1, 'no column "share"'],
    ['a share that is none', 'country,share\nDE,many\n', 2, '"many" is no share'],
    ['an unknown metro', 'country,metro,share\nDE,Munchen,1\n', 2, 'unknown metro "Munchen" in DE'],
  ])('a table of users with %s', async (_, table, line, message) => {
    const users = join(folder, 'users.csv');
    writeFileSync(users, table);
    const { exit, stderr } = await run(write((text) => text, '').file, '--users', users);
    expect(exit).toBe(3);
    expect(stderr).toContain(`${users}:${line}:`);
    expect(stderr).toContain(message);
  });
});

test('what the command line makes of a good file: users elsewhere than its objective, more pins than can all confirm', async () => {
  const users = join(folder, 'users.csv');
  writeFileSync(users, 'country,share\nFR,1\n');
  const german = write((text) => text.replace('for: 80', 'for: 80, country: DE'), '').file;
  const other = await run(german, '--users', users);
  expect([other.exit, other.stderr]).toEqual([3, expect.stringContaining('no users in DE: the users are in FR')]);
  const sync = 'database: { replication: { mode: sync, whenAlone: block } }\nplan:';
  const two = write((text) => text.replace('plan:', sync), '').file;
  const pins = ['aws:eu-west-1', 'aws:eu-west-3', 'aws:eu-central-1'].flatMap((id) => ['--pin', id]);
  const all = await run(two, ...pins);
  expect([all.exit, all.stderr]).toEqual([3, expect.stringContaining('`mode: sync` with 3 regions to choose')]);
});

describe('the file asks for what cannot be: exit 4, with the place of each demand and what would be enough', () => {
  test.each([
    [
      'an impossible objective',
      ['within: 60ms, for: 80', 'within: 20ms, for: 99'],
      'latency:',
      '99 % of all users within 20 ms',
      /raise 20 → \d+ ms/,
    ],
    [
      'a budget below the cheapest plan',
      ['  providers: [aws]', '  providers: [aws]\n  budget: 900'],
      'budget:',
      'at most $900 a month',
      /\$\d+ a month more than the budget of \$900/,
    ],
    [
      'pins that are nearer than they may be',
      [
        '  - { name: gdpr, jurisdiction: EU, data: all }\n\nplan:\n  providers: [aws]',
        '  - { name: gdpr, jurisdiction: EU, data: all }\n\nplan:\n  minSeparation: 2000\n  pin: [aws:eu-west-3, aws:eu-central-1]',
      ],
      'minSeparation:',
      'regions at least 2000 km apart',
      /plan\.minSeparation: \d+ instead of 2000/,
    ],
    [
      'no carbon at all',
      ['  providers: [aws]', '  providers: [aws]\n  carbon: 1'],
      'carbon:',
      'at most 1 g CO2e/kWh',
      /plan\.carbon: \d+ instead of 1/,
    ],
  ] as const)('%s', async (_, [from, to], marked, says, enough) => {
    const { file, line } = write((text) => text.replace(from, to), marked);
    const { exit, stdout } = await run(file);
    expect(exit).toBe(4);
    expect(stdout).toContain(says);
    expect(stdout).toMatch(new RegExp(`${file}:(${line}|${line + 1}):`));
    expect(stdout).toMatch(enough);
  });
});

test('a missing price never hides a region and never becomes 0: it is a range, and the total says so', async () => {
  const { file } = write(
    (text) =>
      text
        .replace('  providers: [aws]', '  pin: [aws:ca-west-1]')
        .replace(/residency:[^]*?plan:/, 'plan:')
        .replace('for: 80', 'for: 40')
        .replace('rpo: 0s', 'rpo: 1m')
        .replace('tier: critical', 'tier: high'),
    '',
  );
  const { exit, stdout } = await run(file, '--json');
  expect(exit).toBe(0);
  const { regions, cost } = JSON.parse(stdout) as Plan;
  expect(regions.map(({ id }) => String(id))).toContain('aws:ca-west-1');
  const lines = cost.lines.filter(({ region }) => String(region) === 'aws:ca-west-1');
  expect(lines.map(({ what }) => what)).toContain('compute');
  for (const { usd, lowUsd } of lines) expect(Math.min(usd, lowUsd)).toBeGreaterThan(0);
  expect(cost.highUsd).toBeGreaterThan(cost.lowUsd);
});
