import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { readFacts } from '../../cli/read-facts.ts';
import { nearestRegion } from '../../spec/nearest.ts';
import { pairKey, type MeasuredRtt } from '../facts.ts';
import { createLatencyModel } from '../latency/model.ts';
import { complianceOf, servicesOf, withOwnHazards, withOwnRegions, withOwnRtts } from '../own.ts';
import { computePrice, egressPrice, storagePrice } from '../prices.ts';
import { coordinateFindings, metroFindings, packFindings } from './pack-gates.ts';
import { isCoordinateTable, readCoordinateTable, readRttTable } from './read-table.ts';
import { rttFindings } from './rtt-gates.ts';
import type { Finding, RttRow } from './table.ts';

const facts = readFacts();
const context = (file: string) => ({ file, facts, provider: null, nearest: nearestRegion });
const fixture = (name: string): string => readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8');

function findings(name: string): readonly Finding[] {
  const text = fixture(name);
  const table = isCoordinateTable(text) ? null : readRttTable(text, context(name));
  if (table !== null) {
    if (!table.ok) throw new Error(JSON.stringify(table.error));
    return rttFindings(facts, table.value.rows);
  }
  const coordinates = readCoordinateTable(text, context(name));
  if (!coordinates.ok) throw new Error(JSON.stringify(coordinates.error));
  return coordinateFindings(facts, coordinates.value.rows);
}
const errorsOf = (found: readonly Finding[]) => found.filter(({ severity }) => severity === 'error');
const rows = (...list: readonly (readonly [string, string, number])[]): RttRow[] =>
  list.map(([from, to, ms], i) => ({ from: placeId(from), to: placeId(to), ms, at: `x:${i + 1}` }));

describe('the packs that are shipped', () => {
  test('every gate holds', () => {
    const found = packFindings(facts, 2026.9);
    expect(errorsOf(found)).toEqual([]);
    expect(new Set(found.map(({ gate }) => gate))).toEqual(new Set(['coordinates', 'triangle', 'age']));
  });

  test('they grow old: ten years later the tables are refused', () => {
    const old = errorsOf(packFindings(facts, 2036)).filter(({ gate }) => gate === 'age');
    expect(old.map(({ at }) => at)).toContain('rtt-aws');
    expect(old.map(({ at }) => at)).not.toContain('rtt-gcp');
  });

  test('without the corrections the gates do not hold: withdrawn rows and sources that disagree', () => {
    const [uk, israel] = [placeId('azure:uksouth'), placeId('azure:israelcentral')];
    const row: MeasuredRtt = { rttMs: 210, source: 'x', asOf: '2025', origin: 'pack' };
    const azure = [...facts.rtts].filter(([key]) => key.startsWith('azure'));
    const rtts = new Map(azure).set(pairKey(uk, israel), row);
    expect(errorsOf(packFindings({ ...facts, rtts }, 2026.9)).map(({ gate }) => gate)).toContain('triangle');
    const wrong = { region: placeId('gcp:africa-south1'), lat: 26.2056, lon: 28.0337, at: 'x' };
    expect(coordinateFindings(facts, [wrong])[0]?.text).toContain('5828 km');
  });

  test('a metro far from the region of its name, and one of a country without people', () => {
    const metro = (country: string, name: string, lat: number, lon: number) => ({ country, name, lat, lon, people: 1 });
    const found = (...metros: ReturnType<typeof metro>[]) =>
      metroFindings({ ...facts, metros }).map(({ gate }) => gate);
    expect(found(metro('GB', 'London', 42.98, -81.25))).toContain('coordinates');
    expect(found(metro('GB', 'London', 51.5, -0.1))).toEqual([]);
    expect(found(metro('XX', 'Atlantis', 0, 0))).toEqual(['ids']);
    const named = facts.metros.filter(({ country, name }) =>
      [...facts.regions.values()].some((region) => region.country === country && region.place === name),
    );
    expect(named.length).toBeGreaterThan(30);
  });

  test('an id that no region has', () => {
    const own: MeasuredRtt = { rttMs: 9, source: 'x', asOf: '2025', origin: 'own' };
    const rtts = new Map([['aws:eu-west-1|aws:eu-west-9', own]]);
    const ids = errorsOf(packFindings({ ...facts, rtts }, 2026.9)).filter(({ gate }) => gate === 'ids');
    expect(ids.map(({ text }) => text)).toEqual(['there is no region aws:eu-west-9']);
  });
});

describe('defective tables of others', () => {
  test.each([
    ['google-picker-coordinates.csv', 'coordinates', ['gcp:africa-south1']],
    ['aws-ping-coordinates.csv', 'coordinates', ['aws:ca-central-1', 'aws:us-west-2', 'aws:eu-south-2']],
    [
      'azure-locations-coordinates.csv',
      'coordinates',
      ['spaincentral', 'francecentral', 'francesouth', 'germanynorth', 'ukwest', 'israelcentral'],
    ],
    ['cosmos-sdk-copied-rows.csv', 'copied', ['azure:indonesiacentral and azure:malaysiawest']],
    ['microsoft-uk-israel.csv', 'triangle', ['azure:uksouth to azure:israelcentral']],
    ['microsoft-uk-israel.csv', 'residual', ['azure:uksouth to azure:israelcentral']],
    [
      'microsoft-shifted-labels.csv',
      'light',
      ['azure:westus to azure:eastasia', 'azure:westus to azure:australiaeast'],
    ],
  ] as const)('%s is refused by the gate %s', (name, gate, named) => {
    const found = errorsOf(findings(name)).filter((finding) => finding.gate === gate);
    for (const text of named) expect(found.filter((finding) => finding.text.includes(text)).length, text).toBe(1);
    for (const { at } of found) expect(at).toMatch(/\.csv:\d+$/);
    if (gate === 'coordinates') expect(found.length).toBe(named.length);
  });

  test('where a tenth of the rows is off, the labels are suspected', () => {
    const found = errorsOf(findings('microsoft-shifted-labels.csv')).filter(({ gate }) => gate === 'residual');
    expect(found[0]?.text).toContain('are the labels shifted?');
  });

  test('a good table passes', () => {
    expect(findings('aws-good.csv')).toEqual([]);
  });
});

describe('each gate of a table', () => {
  const pair = ['aws:us-east-1', 'aws:eu-west-1'] as const;

  test('light', () => {
    expect(rttFindings(facts, rows([...pair, 40])).map(({ gate }) => gate)).toEqual(['light']);
    expect(rttFindings(facts, rows([...pair, 60]))).toEqual([]);
  });

  test('both directions', () => {
    const found = rttFindings(facts, rows([...pair, 70], ['aws:eu-west-1', 'aws:us-east-1', 95]));
    expect(found.map(({ gate, text }) => `${gate} ${text}`)).toEqual([
      'asymmetry aws:eu-west-1 to aws:us-east-1: 95 ms there, 70 ms back (x:1)',
    ]);
    expect(rttFindings(facts, rows([...pair, 70], ['aws:eu-west-1', 'aws:us-east-1', 79]))).toEqual([]);
  });

  test('a detour is noted, three times the way round is refused', () => {
    const via = (ms: number) =>
      rttFindings(
        facts,
        rows(
          ['aws:eu-west-1', 'aws:eu-west-2', 14],
          ['aws:eu-west-2', 'aws:eu-central-1', 18],
          ['aws:eu-west-1', 'aws:eu-central-1', ms],
        ),
      ).map(({ gate, severity }) => `${gate} ${severity}`);
    expect([via(30), via(60), via(100)]).toEqual([[], ['triangle note'], ['triangle error']]);
  });

  test('far from what is measured around it', () => {
    expect(rttFindings(facts, rows([...pair, 200])).map(({ gate }) => gate)).toEqual(['residual']);
  });
});

describe('reading a table', () => {
  const errors = (text: string, provider: string | null = null): string[] => {
    const table = readRttTable(text, { ...context('t.csv'), provider });
    return table.ok ? [] : table.error.map((error) => `${error.at}: ${error.text}`);
  };

  test('columns in any order, comments, quotes, names without provider, both directions', () => {
    const text =
      '\ufeff# source: us, "here"\n# asOf: 2026-11-20\n\nms,to,from\r\n70.5,"eu-west-1",us-east-1\n71,us-east-1,eu-west-1\n2,eu-west-1,eu-west-1\n';
    const table = readRttTable(text, context('t.csv'));
    if (!table.ok) throw new Error(JSON.stringify(table.error));
    expect(table.value.rows.map(({ from, to, ms, at }) => [from, to, ms, at])).toEqual([
      ['aws:us-east-1', 'aws:eu-west-1', 70.5, 't.csv:5'],
      ['aws:eu-west-1', 'aws:us-east-1', 71, 't.csv:6'],
    ]);
    expect([table.value.leftOut, table.value.header.get('source'), table.value.header.get('asOf')]).toEqual([
      1,
      'us, "here"',
      '2026-11-20',
    ]);
  });

  test('a wrong column is named, with what was probably meant', () => {
    expect(errors('from,two,rtt_ms\na,b,1\n')).toEqual([
      't.csv:1: the columns are from, two, rtt_ms; to is missing; is "two" meant to be to?',
    ]);
    expect(errors('x,y\n')[0]).toContain('from, to, rtt_ms are missing');
    expect(errors('')).toEqual(['t.csv:1: the table is empty']);
    expect(errors('from,to,ms\n')).toEqual(['t.csv:1: the table has no pair of two different regions']);
  });

  test('an unknown region, a number that is none, a row that comes twice: each with its line', () => {
    const text =
      'from,to,ms\naws:eu-wst-1,aws:us-east-1,70\naws:eu-west-1,aws:us-east-1,fast\naws:eu-west-1,aws:us-east-1,70\naws:eu-west-1,aws:us-east-1,71\naws:eu-west-1,aws:us-east-2,0\n';
    expect(errors(text)).toEqual([
      't.csv:2: there is no region "aws:eu-wst-1"; did you mean aws:eu-west-1?',
      't.csv:3: "fast" is no round trip in milliseconds; write it as 13.5',
      't.csv:5: aws:eu-west-1 to aws:us-east-1 was given before, at t.csv:4',
      't.csv:6: a round trip between two regions is not 0 ms',
    ]);
    expect(errors('from,to,ms\nus-east4,us-east5,3\n', 'gcp')).toEqual([]);
    expect(errors('sending_region,receiving_region,milliseconds\nus-east4,us-east5,18\n')).toEqual([]);
    expect(errors('from,to,ms\nus-east4,us-east5,3\n', 'aws').length).toBe(2);
  });

  test('a row with other cells than columns is refused, not cut: a comma in a number looks like one more', () => {
    const row = (line: string) => errors(`from,to,rtt_ms\naws:eu-west-1,aws:eu-west-2,${line}\n`);
    const many = 't.csv:2: 4 cells, and 3 columns; a number has a point, 13.5, and no separator of thousands';
    expect([row('13,5'), row('1,013')]).toEqual([[many], [many]]);
    expect(row('"13,5"')).toEqual(['t.csv:2: "13,5" is no round trip in milliseconds; write it as 13.5']);
    for (const none of ['0x1f', '1e3', '1_000', '+13', '13ms'])
      expect(row(none)).toEqual([`t.csv:2: "${none}" is no round trip in milliseconds; write it as 13.5`]);
    expect(errors('from,to,rtt_ms\naws:eu-west-1,aws:eu-west-2\n')[0]).toContain('2 cells, and 3 columns');
    expect(errors(',us-east-1,eu-west-1\nus-east-1,3,70,5\n')[0]).toContain('t.csv:2: 4 cells, and 3 columns');
    expect(errors(',us-east-1,eu-west-1\neu-west-1,71\n')[0]).toContain('t.csv:2: 2 cells, and 3 columns');
    const places = readCoordinateTable(
      'region,lat,lon\naws:eu-west-1,53,3,-6,2\naws:eu-west-1,0x35,-6\n',
      context('c.csv'),
    );
    expect(places.ok ? [] : places.error.map(({ at, text }) => `${at}: ${text}`)).toEqual([
      'c.csv:2: 5 cells, and 3 columns; a number has a point, 13.5, and no separator of thousands',
      'c.csv:3: "0x35, -6" are no degrees of latitude and longitude',
    ]);
  });

  test('a matrix is as good as rows', () => {
    const text = ',us-east-1,eu-west-1\nus-east-1,3,70\neu-west-1,71,\nap-south-1,198,\n';
    const table = readRttTable(text, context('m.csv'));
    if (!table.ok) throw new Error(JSON.stringify(table.error));
    expect(table.value.rows.map(({ from, to, ms, at }) => `${from} ${to} ${ms} ${at}`)).toEqual([
      'aws:us-east-1 aws:eu-west-1 70 m.csv:2',
      'aws:eu-west-1 aws:us-east-1 71 m.csv:3',
      'aws:ap-south-1 aws:us-east-1 198 m.csv:4',
    ]);
    expect(errors(',us-east-1,eu-west-1\nus-est-1,3,70\n')).toEqual([
      't.csv:2: there is no region "us-est-1"; did you mean aws:us-east-1?',
    ]);
  });

  test('regions that are newer than the facts can be left out', () => {
    const text = 'from,to,ms\ngcp:us-east4,gcp:mars-north1,3\ngcp:us-east4,gcp:us-east5,11\n';
    const table = readRttTable(text, { ...context('t.csv'), skipUnknown: true });
    if (!table.ok) throw new Error(JSON.stringify(table.error));
    expect([table.value.rows.length, table.value.unknown]).toEqual([1, ['gcp:mars-north1']]);
    expect(errors('from,to,ms\ngcp:mars-north1,gcp:us-east4,3\ngcp:mars-north1,gcp:us-east5,3\n').length).toBe(1);
  });

  test('any text gives a result, never an exception', () => {
    const cell = fc.oneof(
      fc.constantFrom('from', 'to', 'rtt_ms', 'aws:eu-west-1', 'us-east-1', '70', '""', '"a,b"', '#', ''),
      fc.string(),
    );
    const text = fc.array(fc.array(cell).map((cells) => cells.join(','))).map((list) => list.join('\n'));
    fc.assert(
      fc.property(text, (any) => {
        const table = readRttTable(any, context('any.csv'));
        expect(table.ok ? table.value.rows.length : table.error.length).toBeGreaterThan(0);
      }),
    );
  });

  test('thousands of errors are not thousands of lines', () => {
    const rubbish = Array.from({ length: 5_000 }, (_, i) => `a${i},b${i},1\n`);
    expect(errors(`from,to,ms\n${rubbish.join('')}`).length).toBe(21);
  });
});

describe('the user’s own facts', () => {
  const table = (ms: number, asOf: string) => ({
    rows: rows(['aws:us-east-1', 'aws:eu-west-1', ms]),
    source: asOf,
    asOf,
  });

  test('measured beats pack, newer beats older', () => {
    const own = withOwnRtts(facts, [table(68, '2026-10'), table(66, '2026-11'), table(90, '2020')]);
    expect(own.rtts.get('aws:eu-west-1|aws:us-east-1')).toMatchObject({ rttMs: 66, source: '2026-11', origin: 'own' });
    expect(withOwnRtts(facts, [])).toBe(facts);
  });

  test('what the user says about a region wins; what nobody said is unknown', () => {
    const [mexico, dublin] = [placeId('aws:mx-central-1'), placeId('aws:eu-west-1')];
    const { facts: merged, unknown } = withOwnRegions(facts, {
      'aws:mx-central-1': { generalUsdPerHour: 0.45, egressUsdPerGB: 0, services: ['redis'], compliance: ['PCI'] },
      'aws:mx-central-9': {},
    });
    expect(unknown).toEqual(['aws:mx-central-9']);
    expect(computePrice(merged, mexico, 'general')).toEqual({ kind: 'value', usd: 0.45, source: 'your own' });
    expect(egressPrice(merged, mexico)).toMatchObject({ kind: 'value', usd: 0 });
    expect(storagePrice(merged, mexico).kind).toBe('range');
    expect([servicesOf(merged, mexico)?.has('redis'), complianceOf(merged, mexico)?.has('HIPAA')]).toEqual([
      true,
      false,
    ]);
    expect([servicesOf(merged, dublin), complianceOf(facts, mexico)]).toEqual([null, null]);
  });

  test('one own row, however new, makes no pack old', () => {
    const [virginia, dublin] = [placeId('aws:us-east-1'), placeId('aws:eu-west-1')];
    const own = withOwnRtts(facts, [
      { ...table(19, '2062-11-20'), rows: rows(['aws:eu-west-1', 'aws:eu-west-3', 19]) },
    ]);
    expect(createLatencyModel(own).regionToRegion(virginia, dublin)).toEqual(
      createLatencyModel(facts).regionToRegion(virginia, dublin),
    );
    expect(createLatencyModel(own).regionToRegion(dublin, placeId('aws:eu-west-3'))).toMatchObject({
      ms: 19,
      method: 'measured',
      band: { lowMs: 17, highMs: 21 },
    });
  });

  test('one own row that is wrong does not bend its neighbours', () => {
    const paris = { lat: 48.86, lon: 2.35 };
    const own = withOwnRtts(facts, [
      { ...table(100, '2026-11-20'), rows: rows(['aws:eu-west-1', 'aws:eu-west-3', 100]) },
    ]);
    for (const region of ['aws:eu-west-1', 'azure:northeurope'].map(placeId)) {
      const [before, after] = [facts, own].map((one) => createLatencyModel(one).pointToRegion(paris, region, 0).ms);
      expect(Math.abs((after ?? 0) - (before ?? 0)), region).toBeLessThan(2);
    }
  });

  test('an own price of machines moves no price of disks, there or in another region', () => {
    for (const id of ['aws:us-east-1', 'aws:eu-west-1', 'gcp:us-central1'])
      for (const [region] of facts.regions) {
        const { facts: merged } = withOwnRegions(facts, { [id]: { generalUsdPerHour: 0.1 } });
        expect(storagePrice(merged, region), `${region} with an own price of ${id}`).toEqual(
          storagePrice(facts, region),
        );
      }
  });

  test('hazard zones are replaced, added and taken out; an id that is unknown is said', () => {
    const [zone] = facts.hazards;
    if (zone === undefined) throw new Error('no zone');
    const merged = withOwnHazards(facts, {
      zones: [
        { ...zone, correlation: 1 },
        { ...zone, id: 'mine', members: ['aws:x'] },
      ],
      without: ['korea', 'nowhere'],
    });
    expect(merged.facts.hazards.find(({ id }) => id === zone.id)?.correlation).toBe(1);
    expect(merged.facts.hazards.map(({ id }) => id)).toContain('mine');
    expect(merged.facts.hazards.map(({ id }) => id)).not.toContain('korea');
    expect(merged.unknown).toEqual(['nowhere', 'aws:x']);
  });
});
