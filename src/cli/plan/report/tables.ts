import { text } from '../../../drills/report/html/markup.ts';
import type { Alternative, CostLine, Plan } from '../../../plan/plan.ts';
import { aYear, details, difference, dollars, ms, percent, tableOf } from './words.ts';
import { limitText } from '../../../plan/limit.ts';
import { DEFAULT_LATENCY } from '../../../spec/planning.ts';

/** What users see when each region is lost. */
export function losses({ losses: all, mode }: Plan): string {
  const wait = (waitMs: number): string => {
    if (waitMs > 0) return ms(waitMs);
    return mode === 'async' ? 'none' : 'nobody is left to confirm';
  };
  return tableOf(
    [
      { title: 'lost' },
      { title: 'primary then' },
      { title: 'in time', figure: true },
      { title: '95 of 100', figure: true },
      { title: 'users that move', figure: true },
      { title: 'a commit waits' },
      { title: 'machines, where it is tightest' },
    ],
    all.map((loss) => [
      loss.region,
      loss.primary,
      percent(loss.coverage),
      ms(loss.p95Ms),
      percent(loss.moved),
      wait(loss.commitWaitMs),
      `${loss.tightest.has} of ${loss.tightest.needs} needed in ${loss.tightest.region}`,
    ]),
  );
}

const KINDS: readonly (readonly [CostLine['what'], string])[] = [
  ['compute', '--c1'],
  ['storage', '--c2'],
  ['egress', '--c3'],
  ['replication', '--c4'],
  ['load balancer', '--c5'],
  ['witness', '--c7'],
  ['support', '--c6'],
];

/** A bar for each region, all on one scale; then every line with its range and source. */
export function costs({ cost, regions, witness }: Plan): string {
  const names = [
    ...regions.map(({ id }) => id),
    ...(witness === null ? [] : [witness.id]),
    ...(cost.lines.some(({ region }) => region === null) ? [null] : []),
  ];
  const sum = (lines: readonly CostLine[]): number => lines.reduce((total, { usd }) => total + usd, 0);
  const most = Math.max(1, ...names.map((id) => sum(cost.lines.filter(({ region }) => region === id))));
  const bar = (id: string | null): string => {
    const mine = cost.lines.filter(({ region }) => region === id);
    const parts = KINDS.map(([what, colour]) => {
      const usd = sum(mine.filter((line) => line.what === what));
      if (usd <= 0) return '';
      return `<i style="width:${Math.round((10_000 * usd) / most) / 100}%;--c:var(${colour})" title="${text(`${what}: ${dollars(usd)}`)}"></i>`;
    });
    return `<div><span>${text(id ?? 'all regions')}</span><b>${dollars(sum(mine))}</b><span class="row">${parts.join('')}</span></div>`;
  };
  const used = KINDS.filter(([what]) => cost.lines.some((line) => line.what === what));
  const key = used.map(([what, colour]) => `<span><i style="--c:var(${colour})"></i>${what}</span>`).join('');
  const span = ({ lowUsd, highUsd }: { lowUsd: number; highUsd: number }): string =>
    Math.round(lowUsd) === Math.round(highUsd) ? 'exact' : `${dollars(lowUsd)} to ${dollars(highUsd)}`;
  const rows = cost.lines.map((line) => [
    line.what,
    line.region ?? '',
    dollars(line.usd),
    span(line),
    line.detail,
    line.source,
  ]);
  const table = tableOf(
    [
      { title: 'what' },
      { title: 'region' },
      { title: 'a month', figure: true },
      { title: 'range' },
      { title: 'of what' },
      { title: 'source' },
    ],
    [...rows, ['all', '', dollars(cost.usd), span(cost), '', '']],
    true,
  );
  return `<div class="stack">${names.map(bar).join('')}</div><div class="key">${key}</div>${details(`${rows.length} lines, with their ranges and sources`, table)}`;
}

export function alternatives({ alternatives: next, pareto, cost, verdict, reads }: Plan): string {
  const within = limitText(reads.objectives[0] ?? DEFAULT_LATENCY);
  const columns = [
    { title: 'regions' },
    { title: 'a month', figure: true },
    { title: 'beside this plan', figure: true },
    { title: within, figure: true },
    { title: 'after the worst loss', figure: true },
  ];
  const row = ({ regions, usd, coverage, worst }: Alternative): string[] => [
    regions.join(', '),
    dollars(usd),
    difference(usd - cost.usd),
    percent(coverage),
    percent(worst),
  ];
  const about =
    verdict === 'judged'
      ? 'What a free choice of as many regions of the same providers would be.'
      : 'The next best, in order.';
  return `<p class="quiet">${about}</p>${next.length === 0 ? '<p>None: no other set keeps what the file asks.</p>' : tableOf(columns, next.map(row))}${
    pareto.length === 0
      ? ''
      : details(
          `The Pareto front: ${pareto.length} sets that nothing beats in cost, users in time and worst loss at once`,
          tableOf(columns, pareto.map(row)),
        )
  }`;
}

/** Why each other region lost: first those that were looked at, then those kept out, by what kept them out. */
export function others({ others: all }: Pick<Plan, 'others'>): string {
  return [...groupsOf(all)]
    .map(([constraint, list]) => {
      const title =
        constraint === 'none' ? `${list.length} allowed, and not better` : `${list.length} kept out by ${constraint}`;
      const table = tableOf(
        [{ title: 'region' }, { title: 'why' }, { title: 'what would let it in' }],
        list.map(({ region, why, admit }) => [region, why, admit]),
      );
      return details(title, table);
    })
    .join('');
}

function groupsOf(all: Plan['others']): ReadonlyMap<string, Plan['others']> {
  const groups = new Map<string, Plan['others'][number][]>();
  for (const one of all) groups.set(one.constraint, [...(groups.get(one.constraint) ?? []), one]);
  return groups;
}

export function law({ residency, sharedFate }: Plan): string {
  const fate =
    sharedFate.length === 0
      ? '<p>No zone of war, faults, storms or grids holds two of the regions.</p>'
      : tableOf(
          [{ title: 'common zone' }, { title: 'kind' }, { title: 'regions' }, { title: '' }],
          sharedFate.map(({ zone, kind, regions, hard }) => [
            zone,
            kind,
            regions.join(', '),
            hard ? 'keeps regions apart by default' : 'accepted',
          ]),
        );
  const rules =
    residency.length === 0
      ? ''
      : tableOf(
          [{ title: 'rule' }, { title: 'users' }, { title: 'verdict' }, { title: 'why' }],
          residency.map(({ rule, users, verdict, why }) => [rule, users, verdict, why]),
        );
  return `${rules}<h2>What can take two regions down together</h2>${fate}`;
}

export function availability({ availability: terms }: Plan): string {
  return tableOf(
    [{ title: 'down by' }, { title: 'a year', figure: true }],
    [
      ['what all regions share (release, DNS, control plane)', aYear(terms.shared)],
      ['each region by itself, all at once', aYear(terms.independent)],
      ['one cause for several regions', aYear(terms.correlated)],
      ['the failovers', aYear(terms.failovers)],
      ['all', aYear(1 - terms.total)],
    ],
    true,
  );
}

export const countries = ({ reads }: Plan): string =>
  details(
    `${reads.countries.length} countries`,
    tableOf(
      [
        { title: 'country' },
        { title: 'users', figure: true },
        { title: 'served by' },
        { title: 'reads', figure: true },
        { title: 'writes', figure: true },
      ],
      reads.countries.map(({ country, share, region, meanMs, writeMs }) => [
        country,
        percent(share),
        region,
        ms(meanMs),
        ms(writeMs),
      ]),
    ),
  );
