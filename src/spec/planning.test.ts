import { describe, expect, test } from 'vitest';
import { readFacts } from '../cli/read-facts.ts';
import { parsePlanRequest } from './planning.ts';
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
    expect(latency).toEqual([{ withinMs: 100, share: 0, country: null }]);
  });

  test('countries without shares: by internet users; a residency rule: the users of its places', () => {
    const { users, usersFrom } = request('users: [{ country: DE }, { country: LU }]');
    expect(usersFrom).toBe('internet users');
    expect(users[0]?.share).toBeGreaterThan(0.98);
    const law = request('residency: [{ name: gdpr, jurisdiction: EU, data: all }]');
    expect(law.users).toHaveLength(27);
  });

  test('a tier that cannot be run yet can be planned', () => {
    expect(request('tier: low')).toMatchObject({ rtoMs: 57_600_000, rpoMs: 57_600_000 });
  });
});

describe('a table of users', () => {
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
    ['', 1, 1, 'no header'],
  ])('%j', (text, line, column, words) => {
    const read = readUsersTable(text, facts);
    if (read.ok) throw new Error('it was read');
    expect(read.error[0]).toMatchObject({ line, column });
    expect(read.error[0]?.message).toContain(words);
  });
});
