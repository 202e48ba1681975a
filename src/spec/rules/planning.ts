import { placeId } from '../../base/ids.ts';
import { providerOf, type Facts } from '../../facts/facts.ts';
import { pointOfText } from '../../facts/geo.ts';
import { metroNamed } from '../../facts/metros.ts';
import { parseDuration } from '../duration.ts';
import { deploymentFile } from '../file-schema.ts';
import { atKey, atValue, didYouMean, type Finding } from '../finding.ts';
import { metroHelp, nearest, nearestRegion } from '../nearest.ts';
import { valueAt } from '../shape.ts';
import type { Path } from '../source.ts';

/** What an application takes for an answer where the file says nothing. */
export const DEFAULT_SERVER_MS = 50;

/** Does a region match what a ban says: its id, or a pattern with `*`? */
export function matchesRegion(pattern: string, id: string): boolean {
  const parts = pattern.split(/\*+/).map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(id);
}

/** E26xx: where the users are, and what the planner may choose. Parts without their shape are passed over. */
export function planning(root: unknown, facts: Facts): readonly Finding[] {
  return [
    ...countries(root, facts),
    ...spots(root),
    ...metros(root, facts),
    ...shares(root),
    ...pins(root, facts),
    ...counts(root),
    ...firstBytes(root),
  ];
}

function list(root: unknown, path: Path): readonly unknown[] {
  const found = valueAt(root, path);
  return Array.isArray(found) ? found : [];
}

function countries(root: unknown, facts: Facts): readonly Finding[] {
  const known = new Set(facts.clusters.map(({ country }) => country));
  const seen = new Map<string, Path>();
  const named = (path: Path): readonly Path[] => list(root, path).map((_, i) => [...path, i, 'country']);
  const users = named(['users']);
  return [...users, ...named(['objectives', 'latency'])].flatMap((path): readonly Finding[] => {
    const word = valueAt(root, path);
    if (typeof word !== 'string') return [];
    if (!known.has(word)) {
      const names = [...facts.countries.values()].filter(({ iso2 }) => known.has(iso2));
      const named = nearest(
        word,
        names.map(({ name }) => name),
      );
      const guess =
        names.find(({ name }) => name === named)?.iso2 ??
        (word === 'UK' ? 'GB' : word === 'USA' ? 'US' : nearest(word, [...known]));
      const full = names.find(({ iso2 }) => iso2 === guess)?.name;
      const help =
        guess === null ? ['two capital letters, as in ISO 3166: DE'] : [`did you mean "${guess}" (${full ?? ''})?`];
      return [{ code: 'E2601', message: `unknown country "${word}"`, at: [atValue(path)], help }];
    }
    // Several places of one country are several entries.
    if (!users.includes(path) || valueAt(root, [...path.slice(0, -1), 'at']) !== undefined) return [];
    const metro = valueAt(root, [...path.slice(0, -1), 'metro']);
    const key = typeof metro === 'string' ? `${metro} in ${word}` : word;
    const before = seen.get(key);
    seen.set(key, path);
    return before === undefined
      ? []
      : [
          {
            code: 'E2602',
            message: `${key} is listed twice`,
            at: [atValue(path, 'again here'), atValue(before, 'first here')],
          },
        ];
  });
}

function spots(root: unknown): readonly Finding[] {
  return list(root, ['users']).flatMap((_, i): readonly Finding[] => {
    const path: Path = ['users', i, 'at'];
    const written = valueAt(root, path);
    if (typeof written !== 'string') return [];
    if (pointOfText(written) === null)
      return [
        {
          code: 'E2606',
          message: `"${written}" is no place on the globe`,
          at: [atValue(path)],
          help: ['latitude -90 to 90 and longitude -180 to 180 in degrees, as in "52.52,13.40"'],
        },
      ];
    if (valueAt(root, ['users', i, 'share']) !== undefined) return [];
    return [
      {
        code: 'E2606',
        message: `users at ${written} have no share`,
        at: [atValue(path)],
        help: ['how many internet users are at one place is not known: give every entry its percent'],
      },
    ];
  });
}

/** Big cities by name, each in the country that its entry names. */
function metros(root: unknown, facts: Facts): readonly Finding[] {
  return list(root, ['users']).flatMap((_, i): readonly Finding[] => {
    const path: Path = ['users', i, 'metro'];
    const [word, country] = [valueAt(root, path), valueAt(root, ['users', i, 'country'])];
    if (typeof word !== 'string' || typeof country !== 'string') return [];
    const wrong = (message: string, help: readonly string[]): readonly Finding[] => [
      { code: 'E2606', message, at: [atValue(path)], help },
    ];
    if (valueAt(root, ['users', i, 'at']) !== undefined)
      return wrong('a metro and a place by latitude and longitude', ['keep one of the two']);
    if (metroNamed(facts, country, word) === null)
      return wrong(`unknown metro "${word}" in ${country}`, metroHelp(facts, country, word));
    if (valueAt(root, ['users', i, 'share']) !== undefined) return [];
    return wrong(`users in ${word} have no share`, [
      'how many internet users a city has is not known: give every entry its percent',
    ]);
  });
}

function shares(root: unknown): readonly Finding[] {
  const entries = list(root, ['users']);
  const found = entries.map((_, i) => valueAt(root, ['users', i, 'share']));
  const written = found.filter((share) => typeof share === 'number');
  if (written.length === 0) return [];
  if (written.length < entries.length)
    return [
      {
        code: 'E2602',
        message: `${entries.length - written.length} of ${entries.length} users have no share`,
        at: [atValue(['users', found.findIndex((share) => typeof share !== 'number')])],
        help: ['give every entry its percent, or none: then the internet users of each country decide'],
      },
    ];
  const total = written.reduce((sum, share) => sum + share, 0);
  if (Math.abs(total - 100) <= 0.5) return [];
  const last = found.length - 1;
  const fixed = Math.round(((written.at(-1) ?? 0) + 100 - total) * 100) / 100;
  return [
    {
      code: 'E2602',
      message: `the shares of the users add up to ${Math.round(total * 100) / 100} percent, not 100`,
      at: [atKey(['users'])],
      help: fixed > 0 ? [`with ${fixed} in the last entry they would (users, entry ${last + 1})`] : [],
    },
  ];
}

function pins(root: unknown, facts: Facts): readonly Finding[] {
  const known: readonly string[] = [...facts.regions.keys()];
  const bans = list(root, ['plan', 'ban']).map((word, i) => ({ word: String(word), path: ['plan', 'ban', i] as Path }));
  const providers = list(root, ['plan', 'providers']).map(String);
  const findings: Finding[] = [];
  for (const { word, path } of bans)
    if (!known.some((id) => matchesRegion(word, id)))
      findings.push({
        code: 'E2603',
        message: `"${word}" matches no region`,
        at: [atValue(path)],
        help: didYouMean(nearestRegion(word, known)),
      });
  for (const [i, pin] of list(root, ['plan', 'pin']).entries()) {
    if (typeof pin !== 'string') continue;
    const path = ['plan', 'pin', i];
    if (!facts.regions.has(placeId(pin))) {
      findings.push({
        code: 'E2001',
        message: `unknown region "${pin}"`,
        at: [atValue(path)],
        help: didYouMean(nearestRegion(pin, known)),
      });
      continue;
    }
    const ban = bans.find(({ word }) => matchesRegion(word, pin));
    if (ban !== undefined)
      findings.push({
        code: 'E2604',
        message: `${pin} is pinned and banned`,
        at: [atValue(path, 'pinned here'), atValue(ban.path, 'banned here')],
        help: ['remove one of the two'],
      });
    if (providers.length > 0 && !providers.includes(providerOf(placeId(pin))))
      findings.push({
        code: 'E2604',
        message: `${pin} is pinned, but its provider is not allowed`,
        at: [atValue(path, 'pinned here'), atKey(['plan', 'providers'], 'only these')],
      });
  }
  return findings;
}

/** What is left of the limit must be enough for a round trip. */
function firstBytes(root: unknown): readonly Finding[] {
  const path: Path = ['plan', 'firstByte', 'server'];
  const written = valueAt(root, path);
  const serverMs = typeof written === 'string' ? parseDuration(written) : DEFAULT_SERVER_MS;
  return list(root, ['objectives', 'latency']).flatMap((_, i): readonly Finding[] => {
    const within = valueAt(root, ['objectives', 'latency', i, 'within']);
    const limitMs = typeof within === 'string' ? parseDuration(within) : null;
    const isAbout = valueAt(root, ['objectives', 'latency', i, 'metric']) === 'ttfb';
    if (!isAbout || limitMs === null || serverMs === null || limitMs > serverMs) return [];
    return [
      {
        code: 'E2607',
        message: `the first byte within ${String(within)}, of which the server alone takes ${serverMs} ms`,
        at: [
          atValue(['objectives', 'latency', i, 'within']),
          ...(written === undefined ? [] : [atValue(path, 'the server')]),
        ],
        help: [
          `more than ${serverMs}ms, or a faster server${written === undefined ? ': plan.firstByte.server, 50ms where the file says nothing' : ''}`,
        ],
      },
    ];
  });
}

function counts(root: unknown): readonly Finding[] {
  const number = (path: Path): number | null => {
    const found = valueAt(root, path);
    return typeof found === 'number' ? found : null;
  };
  const min = number(['plan', 'regions', 'min']);
  const max = number(['plan', 'regions', 'max']);
  const pinned = list(root, ['plan', 'pin']).length;
  const findings: Finding[] = [];
  if (min !== null && max !== null && min > max)
    findings.push({
      code: 'E2605',
      message: `at least ${min} regions and at most ${max}`,
      at: [atValue(['plan', 'regions', 'min']), atValue(['plan', 'regions', 'max'])],
    });
  if (max !== null && pinned > max)
    findings.push({
      code: 'E2605',
      message: `${pinned} regions are pinned, at most ${max} may be chosen`,
      at: [atKey(['plan', 'pin']), atValue(['plan', 'regions', 'max'])],
    });
  const few = max !== null && max < 3 ? 'max' : min !== null && min < 3 ? 'min' : null;
  if (few !== null && valueAt(root, ['model']) === 'global')
    findings.push({
      code: 'E2605',
      message: 'model global has three or more regions',
      at: [atValue(['plan', 'regions', few]), atValue(['model'])],
    });
  return findings;
}

/** The keys that a file needs to be run, and may leave out to be planned. */
export function runnable(root: unknown): readonly Finding[] {
  if (typeof root !== 'object' || root === null || Array.isArray(root)) return [];
  return (['regions', 'database'] as const)
    .filter((key) => valueAt(root, [key]) === undefined)
    .map((key) => ({
      code: 'E1003',
      message: `missing key "${key}"`,
      at: [atValue([])],
      help: [
        deploymentFile.shape[key].description ?? '',
        ...(key === 'regions'
          ? ['`farshore plan FILE` finds regions for a file without them, `farshore up FILE` runs them']
          : []),
      ],
    }));
}
