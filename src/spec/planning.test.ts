import { describe, expect, test } from 'vitest';
import { readFacts } from '../cli/read-facts.ts';
import { parsePlanRequest } from './planning.ts';
import { matchesRegion } from './rules/planning.ts';
import { readUsersTable } from './users-table.ts';

const facts = readFacts();
const BASE = ['farshore: v1', 'name: shop', 'model: active-passive'];
const parse = (...lines: string[]) => parsePlanRequest([...BASE, ...lines].join('\n'), 'shop.yaml', facts);
const request = (...lines: string[]) => {
  const parsed = parse(...lines);
  if (!parsed.ok) throw new Error(parsed.error.map(({ message }) => message).join('; '));
  return parsed.value.request;
};

describe('defaults', () => {
  test('nobody says where the users are: the world by internet users, without those whose law keeps the data at home', () => {
    const { users, usersFrom, sizes, regions, latency, hasLatency } = request();
    expect(usersFrom).toBe('default');
    expect(users.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(users[0]?.country).toBe('IN');
    expect(users.map(({ country }) => country)).not.toContain('CN');
    expect(users.map(({ country }) => country)).not.toContain('RU');
    expect({ sizes, regions, hasLatency }).toEqual({ sizes: { min: 2, max: 2 }, regions: null, hasLatency: false });
    expect(latency).toEqual([{ withinMs: 100, share: 0, country: null, metric: 'rtt' }]);
  });

  test('countries without shares: by internet users; a residency rule: the users of its places', () => {
    const { users, usersFrom } = request('users: [{ country: DE }, { country: LU }]');
    expect(usersFrom).toBe('internet users');
    expect(users[0]?.share).toBeGreaterThan(0.98);
    const law = request('residency: [{ name: gdpr, jurisdiction: EU, data: all }]');
    expect(law.users).toHaveLength(27);
  });

  test('time to first byte: a new connection by TLS, 50 ms of the server, nothing asked of the primary; what the file says wins', () => {
    const asked = 'objectives: { latency: [{ within: 300ms, for: 80, metric: ttfb }] }';
    expect(request(asked)).toMatchObject({
      latency: [{ withinMs: 300, share: 0.8, country: null, metric: 'ttfb' }],
      firstByte: { connection: 'tls', serverMs: 50, primaryTrips: 0 },
    });
    expect(request(asked, 'plan: { firstByte: { connection: kept, server: 0s, primaryTrips: 2 } }').firstByte).toEqual({
      connection: 'kept',
      serverMs: 0,
      primaryTrips: 2,
    });
  });

  test('a limit that the server alone takes is an error, with the default said', () => {
    const asked = 'objectives: { latency: [{ within: 50ms, for: 80, metric: ttfb }] }';
    const wrong = (...lines: string[]) => {
      const parsed = parse(...lines);
      return parsed.ok ? [] : parsed.error.map(({ code, help }) => `${code} ${help.join()}`);
    };
    expect(wrong(asked)).toEqual([
      'E2607 more than 50ms, or a faster server: plan.firstByte.server, 50ms where the file says nothing',
    ]);
    expect(wrong(asked, 'plan: { firstByte: { server: 49ms } }')).toEqual([]);
    expect(wrong(asked, 'plan: { firstByte: { server: 1s } }')).toHaveLength(1);
    expect(wrong('objectives: { latency: [{ within: 50ms, for: 80 }] }')).toEqual([]);
  });

  test('countries whose internet users nobody counts: nobody beside others, alike among themselves', () => {
    expect(request('users: [{ country: DE }, { country: PR }]').users).toEqual([{ country: 'DE', share: 1 }]);
    const islands = request('users: [{ country: PR }, { country: VI }]').users;
    expect(islands.map(({ share }) => share)).toEqual([0.5, 0.5]);
  });

  test('a region that is pinned twice is one; a ban of many stars is one of one star, and ends', () => {
    const twice = request("plan: { pin: ['aws:eu-west-1', 'aws:eu-west-1'] }");
    expect([twice.pin, twice.sizes]).toEqual([['aws:eu-west-1'], { min: 2, max: 2 }]);
    expect(matchesRegion(`${'*'.repeat(40)}x`, 'aws:eu-west-1-and-a-long-name-behind-it')).toBe(false);
    expect(matchesRegion('aws:**west-1', 'aws:eu-west-1')).toBe(true);
  });

  test('a tier that cannot be run yet can be planned', () => {
    expect(request('tier: low')).toMatchObject({ rtoMs: 57_600_000, rpoMs: 57_600_000 });
  });
});

describe('users of metros', () => {
  const metro = (country: string, name: string) => `users: [{ country: ${country}, metro: '${name}', share: 100 }]`;
  test('a big city by its name, without its accents, or by its first words', () => {
    expect(request(metro('BR', 'sao paulo')).users).toEqual([
      { country: 'BR', share: 1, at: { lat: -23.55, lon: -46.64 }, metro: 'São Paulo' },
    ]);
    expect(request(metro('US', 'New York')).users[0]?.metro).toBe('New York City');
    expect(request(metro('US', 'Washington')).users[0]?.metro).toBe('Washington, D.C.');
    expect(request(metro('PK', 'Hyderabad')).users[0]?.at?.lon).toBeCloseTo(68.37);
    const two = request('users: [{ country: JP, metro: Osaka, share: 60 }, { country: JP, metro: Tokyo, share: 40 }]');
    expect(two.users.map(({ share }) => share)).toEqual([0.6, 0.4]);
  });

  test.each([
    [metro('JP', 'Osakka'), 'unknown metro "Osakka" in JP', 'did you mean "Osaka"?'],
    [metro('FR', 'Manchester'), 'unknown metro "Manchester" in FR', 'there is one in GB'],
    ['users: [{ country: JP, metro: Osaka }]', 'users in Osaka have no share', 'give every entry its percent'],
    ["users: [{ country: JP, metro: Osaka, at: '34.7,135.5', share: 100 }]", 'a metro and a place', 'keep one'],
    [
      'users: [{ country: JP, metro: Osaka, share: 60 }, { country: JP, metro: Osaka, share: 40 }]',
      'Osaka in JP is listed twice',
      null,
    ],
  ])('%s', (line, message, help) => {
    const parsed = parse(line);
    if (parsed.ok) throw new Error('it was read');
    const found = parsed.error.find((one) => one.message.includes(message));
    expect(found?.marks[0]?.line).toBe(4);
    if (help !== null) expect(found?.help.join()).toContain(help);
  });
});

describe('a table of users', () => {
  test('metros by name', () => {
    const read = readUsersTable('country,metro,share\nBR,Sao Paulo,3\nBR,,1\n', facts);
    expect(read).toEqual({
      ok: true,
      value: [
        { country: 'BR', share: 0.75, at: { lat: -23.55, lon: -46.64 }, metro: 'São Paulo' },
        { country: 'BR', share: 0.25 },
      ],
    });
  });

  test('cells in quotes, as a spreadsheet writes them', () => {
    const read = readUsersTable(
      '\uFEFF"country","metro","share"\r\n"US","Washington, D.C.","7.5e2"\r\nUS,,250 %\r\n',
      facts,
    );
    expect(read).toMatchObject({
      ok: true,
      value: [
        { country: 'US', share: 0.75, metro: 'Washington, D.C.' },
        { country: 'US', share: 0.25 },
      ],
    });
  });

  test('shares of any unit, added up by country', () => {
    const read = readUsersTable('# requests of May\ncountry,share\nDE,300\nFR,100\nDE,0\n', facts);
    expect(read).toEqual({
      ok: true,
      value: [
        { country: 'DE', share: 0.75 },
        { country: 'FR', share: 0.25 },
      ],
    });
  });

  test.each([
    ['contry,share\nDE,1\n', 1, 1, 'rename "contry" to "country"'],
    ['country,users\nDE,1\n', 1, 1, 'no column "share"; the columns are country, users'],
    ['country,share\nDE,1\nUKK,3\n', 3, 1, 'unknown country "UKK"'],
    ['country,share\nDE,many\n', 2, 4, '"many" is no share'],
    ['country,share\nDE,0\n', 1, 1, 'add up to nothing'],
    ['country,metro,share\nJP,Osakka,1\n', 2, 4, 'unknown metro "Osakka" in JP; did you mean "Osaka"?'],
    ['country,metro,lat,lon,share\nJP,Osaka,34,135,1\n', 2, 4, 'keep one of the two'],
    ['', 1, 1, 'no header'],
    ['country,share\nUS,1e999\nDE,5\n', 2, 4, '"1e999" is too large a share'],
    ['country,share\nUS,Infinity\nDE,5\n', 2, 4, '"Infinity" is no share'],
    ['country,share\nUS,0x10\nDE,5\n', 2, 4, '"0x10" is no share'],
    ['country,share\nUS,1,000\nDE,500\n', 2, 6, '3 cells, the header has 2; a number is written without a separator'],
    ['country,share\nUS,"1,000"\n', 2, 4, '"1,000" is no share'],
    ['country,share,metro\nUS,5\n', 2, 1, '2 cells, the header has 3'],
    ['country,share\nUS,"5\n', 2, 1, 'a quote that is not closed'],
    ['country,share,share\nUS,5,6\n', 1, 15, 'the column "share" is there twice'],
  ])('%j', (text, line, column, words) => {
    const read = readUsersTable(text, facts);
    if (read.ok) throw new Error('it was read');
    expect(read.error[0]).toMatchObject({ line, column });
    expect(read.error[0]?.message).toContain(words);
  });
});
