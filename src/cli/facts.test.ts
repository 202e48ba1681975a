import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { facts } from './facts.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore facts '));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());
const own = join(folder, 'own');
mkdirSync(own);
const write = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** Runs `farshore facts …` with a folder of its own facts, empty until something is imported. */
async function run(...argv: string[]) {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      output[name] += String(chunk);
      return true;
    });
  const [command = '', ...rest] = argv;
  const exit = await facts([command, ...rest, '--facts', own]).finally(() => vi.restoreAllMocks());
  return { exit, ...output };
}
const json = async (...argv: string[]) => JSON.parse((await run(...argv, '--json')).stdout) as Record<string, unknown>;

describe('farshore facts', () => {
  test('rtt of two regions: value, method, band, source', async () => {
    const { stdout, exit } = await run('rtt', 'aws:us-east-1', 'eu-west-1');
    expect(exit).toBe(0);
    expect(stdout).toContain('aws:us-east-1 (Ashburn) to aws:eu-west-1 (Dublin): 70 ms, measured, 64 to 76 ms');
    expect(await json('rtt', 'aws:us-east-1', 'aws:eu-west-1')).toMatchObject({
      schema: 'farshore.facts-rtt/v1',
      a: { region: 'aws:us-east-1' },
      ms: 70,
      method: 'measured',
      estimate: { method: 'triangulated' },
    });
  });

  test('rtt of coordinates, south and west too, and a last mile', async () => {
    const found = await json('rtt', '-33.92,18.42', 'aws:eu-west-2');
    expect(found).toMatchObject({
      a: { region: null, lat: -33.92, lon: 18.42 },
      method: 'triangulated',
      estimate: null,
    });
    const ms = found['ms'] as number;
    expect(ms).toBeGreaterThan(130);
    expect(ms).toBeLessThan(180);
    expect((await json('rtt', '-33.92,18.42', 'aws:eu-west-2', '--last-mile', '20'))['ms']).toBeCloseTo(ms + 20);
    await expect(run('rtt', '95,18', 'aws:eu-west-2')).rejects.toThrow('not on the globe');
  });

  test('rtt of many pairs at once: the same as one at a time, one object a line; a mistake has its line', async () => {
    const pairs = write(
      'pairs.txt',
      '# pairs\naws:us-east-1 -33.92,18.42\n\ngcp:us-east4,azure:westeurope\nDE aws:eu-west-1\n',
    );
    const { stdout } = await run('rtt', '--pairs', pairs, '--json');
    const one = async (a: string, b: string) => JSON.stringify(await json('rtt', a, b));
    expect(stdout.trimEnd().split('\n')).toEqual([
      await one('aws:us-east-1', '-33.92,18.42'),
      await one('gcp:us-east4', 'azure:westeurope'),
      await one('DE', 'aws:eu-west-1'),
    ]);
    expect((await run('rtt', '--pairs', pairs)).stdout).toMatch(
      /aws:us-east-1 \(Ashburn\) +-33.92,18.42 +\d+ ms +triangulated/,
    );
    const wrong = write('wrong-pairs.txt', 'aws:us-east-1 aws:us-est-2\n');
    await expect(run('rtt', '--pairs', wrong)).rejects.toThrow(`${wrong}:1: there is no region "aws:us-est-2"`);
    await expect(run('rtt', '--pairs', write('none.txt', 'aws:us-east-1\n'))).rejects.toThrow('is no pair');
  });

  test('rtt of any two regions and of any two places: a finite value inside its band, faster than no light', async () => {
    const ids = ((await json('regions'))['regions'] as { id: string }[]).map(({ id }) => id);
    const places = ['64.1,-21.9', '-54.8,-68.3', '1.35,103.8', '-17.7,178.1', '71.3,-156.8'];
    const all = [...ids, ...places];
    const lines = all.map((from, i) => `${from} ${all[(i * 37 + 11) % all.length]}`);
    const { stdout } = await run('rtt', '--pairs', write('all.txt', lines.join('\n')), '--json');
    const found = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { ms: number; band: { lowMs: number; highMs: number }; lightMs: number });
    expect(found).toHaveLength(all.length);
    for (const { ms, band, lightMs } of found) {
      expect(ms).toBeGreaterThanOrEqual(lightMs);
      expect(band.lowMs <= ms && ms <= band.highMs).toBe(true);
    }
  });

  test('rtt of the people of a country: shares, not an average', async () => {
    const found = await json('rtt', 'US', 'aws:us-east-1');
    expect(found).toMatchObject({ schema: 'farshore.facts-people/v1', country: 'US', lastMileMs: 15 });
    const shares = found['shares'] as { share: number; ms: number }[];
    expect(shares.map(({ share }) => share)).toEqual([0.5, 0.8, 0.95]);
    const [half = 0, most = 0, nearlyAll = 0] = shares.map(({ ms }) => ms);
    expect(half).toBeGreaterThan(20);
    expect(nearlyAll).toBeGreaterThan(65);
    expect(half <= most && most <= nearlyAll && nearlyAll < 120).toBe(true);
    expect((await run('rtt', 'aws:us-east-1', 'DE', '--last-mile', '0')).stdout).toMatch(/50 % +at most (8|9|10)\d ms/);
    await expect(run('rtt', 'XX', 'aws:us-east-1')).rejects.toThrow('two letters');
    await expect(run('rtt', 'DE', 'FR')).rejects.toThrow('to a region');
  });

  test('a region that is misspelt is guessed', async () => {
    await expect(run('rtt', 'aws:us-est-1', 'aws:eu-west-1')).rejects.toThrow('did you mean aws:us-east-1?');
    await expect(run('show', 'westeurop')).rejects.toThrow('did you mean azure:westeurope?');
    await expect(run('regions', '--provider', 'asure')).rejects.toThrow('did you mean azure?');
    await expect(run('rtts')).rejects.toThrow('did you mean `farshore facts rtt`?');
  });

  test('regions and show', async () => {
    const list = (await json('regions', '--provider', 'gcp'))['regions'] as { id: string; measuredPairs: number }[];
    expect(list.length).toBe(40);
    expect((await run('regions')).stdout.split('\n').length).toBeGreaterThan(132);
    expect(await json('show', 'azure:spaincentral')).toMatchObject({
      schema: 'farshore.facts-region/v1',
      lat: 40.4168,
      corrected: { lon: 3.4209 },
      countryName: 'Spain',
      hazards: [{ id: 'iberia' }, { id: 'azure-control-plane' }],
    });
    expect((await run('show', 'aws:mx-central-1')).stdout).toContain('no price there');
  });

  test('verify: the packs hold; a defective table does not', async () => {
    const packs = await run('verify');
    expect(packs.exit, packs.stdout).toBe(0);
    expect(packs.stdout).toContain('every gate holds');
    const fixture = join(import.meta.dirname, '../facts/verify/fixtures/google-picker-coordinates.csv');
    const picker = await run('verify', fixture);
    expect(picker.exit).toBe(1);
    expect(picker.stdout).toContain('5828 km');
    expect(await json('verify', fixture)).toMatchObject({ schema: 'farshore.facts-verify/v1', ok: false });
  });

  test('import: what was measured wins from then on, everywhere', async () => {
    const table = write(
      'ours.csv',
      '# source: two of our machines\n# asOf: 2026-11-20\nfrom,to,rtt_ms\naws:us-east-1,aws:eu-west-1,66.4\ngcp:us-east4,aws:us-east-1,1.9\n',
    );
    const { stdout, exit } = await run('import', table);
    expect(exit).toBe(0);
    expect(stdout).toContain('2 pairs of 2026-11-20 taken over: 1 win over the packs, 1 were not measured before');
    const found = await json('rtt', 'aws:eu-west-1', 'aws:us-east-1');
    expect(found).toMatchObject({ ms: 66.4, method: 'measured' });
    expect(found['source']).toContain('two of our machines');
    expect(await json('rtt', 'gcp:us-east4', 'aws:us-east-1')).toMatchObject({ ms: 1.9, method: 'measured' });
    expect((await run('verify')).exit).toBe(0);
    expect(readFileSync(join(own, 'rtt-ours.csv'), 'utf8')).toContain('aws:us-east-1,aws:eu-west-1,66.4');
  });

  test('import refuses what is wrong, with file and line, and changes nothing', async () => {
    const wrong = write('wrong.csv', 'from,to,rtt_ms\naws:us-east-1,aws:eu-wst-1,66\n');
    await expect(run('import', wrong)).rejects.toThrow(
      `${wrong}:2: there is no region "aws:eu-wst-1"; did you mean aws:eu-west-1?`,
    );
    const fast = write('fast.csv', 'from,to,rtt_ms\naws:us-east-1,aws:eu-west-1,12\n');
    await expect(run('import', fast)).rejects.toThrow('nothing was taken over');
    expect(await json('rtt', 'aws:us-east-1', 'aws:eu-west-1')).toMatchObject({ ms: 66.4 });
    expect((await run('import', fast, '--accept', '--as-of', '2026-11-21')).exit).toBe(0);
    expect(await json('rtt', 'aws:us-east-1', 'aws:eu-west-1')).toMatchObject({ ms: 12 });
    await expect(run('import', fast, '--as-of', 'yesterday', '--accept')).rejects.toThrow('--as-of');
  });

  test('a date that is none, or still to come, is refused: it would win over every later table', async () => {
    const table = write('dated.csv', '# asOf: 2062-11-20\nfrom,to,rtt_ms\naws:eu-west-1,aws:eu-west-2,13\n');
    await expect(run('import', table)).rejects.toThrow(`${table}: "# asOf:" is 2062-11-20, which is still to come`);
    for (const none of ['2026-13-45', '2026-02-30', '2026-00', '26-11-20'])
      await expect(run('import', table, '--as-of', none)).rejects.toThrow(
        `must be a date like 2026-11-20, not "${none}"`,
      );
    for (const date of ['2062', '2062-11'])
      await expect(run('import', table, '--as-of', date)).rejects.toThrow('--as-of is 2062');
    expect(readdirSync(own)).not.toContain('rtt-dated.csv');
  });

  test('a folder of own facts that was named and is not there is an error; import makes it', async () => {
    const none = join(folder, 'no such folder');
    await expect(facts(['rtt', 'aws:us-east-1', 'aws:eu-west-1', '--facts', none])).rejects.toThrow(
      `--facts: there is no folder ${none}`,
    );
    vi.stubEnv('FARSHORE_FACTS', none);
    await expect(facts(['regions'])).rejects.toThrow(`FARSHORE_FACTS: there is no folder ${none}`);
    vi.stubEnv('FARSHORE_FACTS', write('a-file', ''));
    await expect(facts(['verify'])).rejects.toThrow('there is no folder');
    vi.stubEnv('FARSHORE_FACTS', none);
    const table = write('first.csv', '# asOf: 2026-11-20\nfrom,to,rtt_ms\naws:us-east-1,aws:eu-west-1,66.4\n');
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    expect(await facts(['import', table])).toBe(0);
    expect(readdirSync(none)).toEqual(['rtt-first.csv']);
    vi.unstubAllEnvs();
  });

  test('own files that do not fit stop every command that reads them, with their name', async () => {
    const path = join(own, 'hazards.json');
    writeFileSync(path, '{"zones": [{"id": "x"}]}');
    await expect(run('regions')).rejects.toThrow(`${path}: zones.0`);
    writeFileSync(path, '{"without": ["gulf-levant"]}');
    const shown = (await json('show', 'aws:me-south-1'))['hazards'] as { id: string }[];
    expect(shown.map(({ id }) => id)).toEqual(['aws-control-plane']);
    rmSync(path);
    const regions = join(own, 'regions.json');
    writeFileSync(regions, '{"aws:eu-wst-1": {}}');
    await expect(run('regions')).rejects.toThrow('aws:eu-wst-1 (did you mean aws:eu-west-1?)');
    writeFileSync(regions, '{"aws:sa-east-1": {"generalUsdPerHour": 0.7, "support": "business"}}');
    const { stdout } = await run('show', 'aws:sa-east-1');
    expect(stdout).toContain('$0.7 an hour');
    expect(stdout).toMatch(/services +unknown/);
    rmSync(regions);
    writeFileSync(join(own, 'rtt-undated.csv'), 'from,to,ms\naws:us-east-1,aws:eu-west-1,66\n');
    await expect(run('regions')).rejects.toThrow('"# asOf: 2026-11-20" must say when');
    rmSync(join(own, 'rtt-undated.csv'));
  });
});
