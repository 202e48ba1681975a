import { atKey, atValue, type Finding } from '../finding.ts';
import type { PlanRequest } from '../planning.ts';
import { valueAt } from '../shape.ts';
import type { Path, Spot } from '../source.ts';

/**
 * What a request contradicts itself in once every default is filled in, and again after the command line has changed it. `root` is the file, for the
 * places to point at.
 */
export function contradictions(request: PlanRequest, root: unknown): readonly Finding[] {
  return [...lossless(request, root), ...farthest(request, root), ...strangers(request, root)];
}

const MODE: Path = ['database', 'replication', 'mode'];

const where = (root: unknown, path: Path, label: string | null = null): readonly Spot[] =>
  valueAt(root, path) === undefined ? [] : [atValue(path, label)];

function lossless({ rpoMs, mode }: PlanRequest, root: unknown): readonly Finding[] {
  if (rpoMs > 0 || mode !== 'async') return [];
  const rpo = where(root, ['objectives', 'rpo'], 'asked here');
  return [
    {
      code: 'E2201',
      message: `rpo 0s${rpo.length > 0 ? '' : ' (from the tier)'} cannot be kept by asynchronous replication`,
      at: [...rpo, ...where(root, MODE, 'acknowledges writes that no other region has: losing the region loses them')],
      help: ['use `mode: sync` or `mode: semi-sync`, leave `database` out, or write an `objectives.rpo` above 0'],
    },
  ];
}

/** The search weighs the pair of the primary and its nearest standby; with `sync` and a third region a commit waits for the farthest. */
function farthest({ mode, regions, sizes }: PlanRequest, root: unknown): readonly Finding[] {
  if (mode !== 'sync' || regions !== null || sizes.max <= 2) return [];
  const count = sizes.min === sizes.max ? `${sizes.min}` : `${sizes.min} to ${sizes.max}`;
  return [
    {
      code: 'E2608',
      message: `\`mode: sync\` with ${count} regions to choose: every commit would wait for the farthest of them, and regions are chosen by the nearest`,
      at: [
        ...where(root, MODE, 'all others must confirm'),
        ...where(root, ['plan', 'regions', 'max'], `up to ${sizes.max} regions`),
      ],
      help: [
        'write `mode: semi-sync` (RPO 0 too: a commit waits for the fastest other region), or leave `database` out',
        ...(sizes.min <= 2 ? ['or `plan.regions: { max: 2 }`: of two regions the other one confirms'] : []),
        'or name the `regions`: then they are judged, with the wait for the farthest',
      ],
    },
  ];
}

const MOST_NAMED = 6;

function strangers({ latency, users, usersFrom }: PlanRequest, root: unknown): readonly Finding[] {
  const countries = [...new Set(users.map(({ country }) => country))];
  const named = countries.slice(0, MOST_NAMED).join(', ');
  const all = countries.length > MOST_NAMED ? `${named} and ${countries.length - MOST_NAMED} more` : named;
  return latency.flatMap(({ country }, i): readonly Finding[] =>
    country === null || countries.includes(country)
      ? []
      : [
          {
            code: 'E2609',
            message: `no users in ${country}: the users are in ${all}${usersFrom === 'default' ? ' (a default: the file names none)' : ''}`,
            at: [
              ...where(root, ['objectives', 'latency', i, 'country']),
              ...(valueAt(root, ['users']) === undefined ? [] : [atKey(['users'], 'not among these')]),
            ],
            help: [`add ${country} to the users, or leave the objective out`],
          },
        ],
  );
}
