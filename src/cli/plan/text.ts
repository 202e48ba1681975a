import { carbonText } from '../../facts/countries.ts';
import type { Infeasible } from '../../plan/infeasible.ts';
import type { Alternative, Plan } from '../../plan/plan.ts';
import { isMet, limitText } from '../../plan/limit.ts';
import { formatDuration } from '../../spec/duration.ts';
import { DEFAULT_LATENCY } from '../../spec/planning.ts';
import { table } from '../text.ts';
import { factsText } from './facts-text.ts';
import { proofSentence } from './proof.ts';

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const dollars = (usd: number): string => `$${Math.round(usd).toLocaleString('en-US')}`;
const range = ({ lowUsd, highUsd }: { lowUsd: number; highUsd: number }): string =>
  Math.round(lowUsd) === Math.round(highUsd) ? '' : ` (${dollars(lowUsd)} to ${dollars(highUsd)})`;
const ms = (value: number): string => `${Math.round(value)} ms`;

/** The plan for a person, summary first. `full`: every line of cost, every country, every region that was not chosen. */
export function planText(plan: Plan, full: boolean): string {
  return [summary(plan), ...details(plan), ...(full ? everything(plan) : [hint(plan)])].join('\n\n').concat('\n');
}

function summary(plan: Plan): string {
  const { request, regions, reads, writes, cost, strategy } = plan;
  const head = `${plan.name}: ${request.model} · tier ${request.tier} (RTO ${formatDuration(request.rtoMs)}, RPO ${formatDuration(request.rpoMs)}) · ${plan.verdict === 'judged' ? 'the regions of the file' : 'regions chosen'}`;
  const rows = regions.map((region) => [
    `  ${region.id}`,
    region.role,
    `${region.place}, ${region.country}`,
    region.serves ? `${percent(region.share)} of users` : strategy.name,
    `${region.machines} machine${region.machines === 1 ? '' : 's'}`,
    region.role === 'primary' ? '' : `${ms(region.toPrimaryMs)} to the primary, ${region.toPrimaryMethod}`,
  ]);
  const objectives = reads.objectives.map((one) => {
    const { country, asked, reached, low, high } = one;
    const mark =
      asked === 0 ? '' : isMet(one) ? `, asked ${percent(asked)}: met` : `, asked ${percent(asked)}: NOT MET`;
    return `${percent(reached)} of ${country ?? 'all'} users ${limitText(one)}${mark} (error bands: ${percent(low)} to ${percent(high)})`;
  });
  const worst = plan.losses.toSorted((a, b) => a.coverage - b.coverage)[0];
  return [
    head,
    '',
    ...table(rows),
    '',
    ...witnessLine(plan),
    `  reads      ${objectives.join('; ')}; round trips p50 ${ms(reads.p50Ms)}, p80 ${ms(reads.p80Ms)}, p95 ${ms(reads.p95Ms)}`,
    ...(request.latency.some(({ metric }) => metric === 'ttfb')
      ? [
          `  first byte p50 ${ms(reads.firstByte.p50Ms)}, p80 ${ms(reads.firstByte.p80Ms)}, p95 ${ms(reads.firstByte.p95Ms)}`,
        ]
      : []),
    `  writes     ${plan.mode}: ${writes.commitWaitMs === 0 ? 'a commit waits for no other region' : `a commit waits ${ms(writes.commitWaitMs)} for ${plan.mode === 'sync' ? writes.waitsFor.join(', ') : `the first of the others (${writes.waitsFor.join()})`}`}; a user’s write takes ${ms(writes.meanMs)} on average, p95 ${ms(writes.p95Ms)}`,
    `  a loss     ${worst === undefined ? '' : `worst: ${worst.region}: ${percent(worst.coverage)} ${limitText(reads.objectives[0] ?? DEFAULT_LATENCY)}, round trips p95 ${ms(worst.p95Ms)}, primary ${worst.primary}`}`,
    `  recovery   ${strategy.name}: RTO ${formatDuration(strategy.rtoMs.low)} to ${formatDuration(strategy.rtoMs.high)} predicted${strategy.rtoMs.high > request.rtoMs ? `, asked ${formatDuration(request.rtoMs)}: NOT MET` : ''}, RPO ${plan.mode === 'async' ? `up to ${formatDuration(strategy.rpoMs || request.rpoMs)}` : '0'} for the loss of one region`,
    `  cost       ${dollars(cost.usd)} a month${range(cost)}`,
    `  residency  ${residencyLine(plan)}`,
    `  proof      ${proofSentence(plan)}${plan.robustness === null ? '' : `; under the error bands and ±20 % of the shares it stays allowed in ${percent(plan.robustness.holds)} and the best in ${percent(plan.robustness.wins)} of ${plan.robustness.trials} trials`}`,
    ...plan.violations.map((violation) => `  ! ${violation}`),
  ].join('\n');
}

function witnessLine({ witness, request, regions }: Plan): readonly string[] {
  if (witness !== null)
    return [
      `  witness    ${witness.id} (${witness.place}): a third vote without data, ${ms(witness.farthestMs)} from the farthest region, ${dollars(witness.usd)} a month of the cost; ${witness.why}`,
    ];
  if (!request.thirdVote) return [];
  return [
    `  ! witness  none: no place that the file allows is apart from the regions and near enough. ${regions.length === 2 ? 'Two regions cannot outvote each other: after' : 'After'} the loss of one a person has to decide. Name a place under \`sites\`, of your own if need be`,
  ];
}

function residencyLine({ residency }: Plan): string {
  const copy = residency.filter(({ verdict }) => verdict === 'needs a copy there').map(({ rule }) => rule);
  const count = (verdict: string): number => residency.filter((one) => one.verdict === verdict).length;
  const broken = residency.filter(({ verdict }) => verdict === 'broken').map(({ rule }) => rule);
  const basis = residency.filter(({ verdict }) => verdict === 'needs a legal basis').map(({ rule }) => rule);
  if (broken.length > 0) return `BROKEN: ${broken.join(', ')}`;
  const free = residency.filter(({ verdict }) => verdict === 'no place rule').map(({ rule }) => rule);
  const kept = count('kept') === 1 ? '1 rule kept' : `${count('kept')} rules kept`;
  const asksNoPlace = free.length === 0 ? '' : `; no demand of place, but others, by ${free.join(', ')} (--full)`;
  return `${residency.length === 0 ? 'no rule is known that says where this data must be' : kept}${asksNoPlace}${basis.length === 0 ? '' : `; a legal basis is needed for ${basis.join(', ')}`}${copy.length === 0 ? '' : `; a copy must be kept in the country by ${copy.join(', ')}, and no region of the plan is there`} (engineering defaults, not legal advice)`;
}

function details(plan: Plan): readonly string[] {
  const { sharedFate, alternatives, availability } = plan;
  const year = (share: number): string => {
    const seconds = share * 31_536_000;
    return seconds < 90 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(0)} min`;
  };
  return [
    [
      'when a region is lost',
      ...table(
        plan.losses.map((loss) => [
          `  ${loss.region}`,
          `${percent(loss.coverage)} in time`,
          `p95 ${ms(loss.p95Ms)}`,
          `${percent(loss.moved)} of users move`,
          `primary ${loss.primary}, ${loss.commitWaitMs > 0 ? `commits wait ${ms(loss.commitWaitMs)}` : plan.mode === 'async' ? 'commits wait for nobody' : 'nobody is left to confirm: `whenAlone` decides'}`,
          `${loss.tightest.region} has ${loss.tightest.has} of ${loss.tightest.needs} machines needed`,
        ]),
      ),
    ].join('\n'),
    `availability ${(availability.total * 100).toFixed(3)} %: shared ${year(availability.shared)}, all by chance ${year(availability.independent)}, together ${year(availability.correlated)}, failovers ${year(availability.failovers)} a year`,
    ...(sharedFate.length === 0
      ? []
      : [
          [
            'shared fate',
            ...sharedFate.map(
              (one) => `  ${one.regions.join(', ')}: ${one.zone} (${one.kind}${one.hard ? ', HARD' : ', soft'})`,
            ),
          ].join('\n'),
        ]),
    ...(alternatives.length === 0
      ? []
      : [
          [
            plan.verdict === 'judged' ? 'chosen freely, as many and of the same providers' : 'the next best',
            ...table(alternatives.map(alternativeRow(plan))),
          ].join('\n'),
        ]),
    ['assumed', ...plan.assumptions.map((one) => `  ${one}`)].join('\n'),
  ];
}

const alternativeRow =
  ({ cost }: Plan) =>
  ({ regions, usd, coverage, worst }: Alternative): string[] => [
    `  ${regions.join(', ')}`,
    `${dollars(usd)} (${usd < cost.usd ? '-' : '+'}${dollars(Math.abs(usd - cost.usd))})`,
    `${percent(coverage)} in time`,
    `${percent(worst)} after the worst loss`,
  ];

const hint = (plan: Plan): string =>
  `--full: ${plan.cost.lines.length} lines of cost, ${plan.reads.countries.length} countries, ${plan.residency.length} rules, the Pareto front, and why ${plan.others.length} other regions were not chosen.`;

function everything(plan: Plan): readonly string[] {
  const { regions, cost, reads, residency, others, pareto } = plan;
  const block = (title: string, rows: readonly (readonly string[])[]): string => [title, ...table(rows)].join('\n');
  return [
    block(
      'regions',
      regions.map((one) => [
        `  ${one.id}`,
        one.zones === null ? 'zones unknown' : `${one.zones} zones`,
        one.governance === null ? 'governance unknown' : `governance ${one.governance.toFixed(2)} of 1`,
        `carbon ${carbonText(one.carbonRange)}`,
        one.optIn ? 'must be enabled for the account' : '',
      ]),
    ),
    block(
      'cost, US dollars a month',
      cost.lines.map((line) => [
        `  ${line.what}`,
        line.region ?? '',
        dollars(line.usd) + range(line),
        line.detail,
        line.source,
      ]),
    ),
    block(
      'countries',
      reads.countries.map((one) => [
        `  ${one.country}`,
        percent(one.share),
        one.region,
        `reads ${ms(one.meanMs)}`,
        `writes ${ms(one.writeMs)}`,
      ]),
    ),
    block(
      'share of users by round trip',
      reads.curve.map(([limit, share]) => [`  within ${limit} ms`, percent(share)]),
    ),
    block(
      'share of users by time to first byte',
      reads.firstByte.curve.map(([limit, share]) => [`  within ${limit} ms`, percent(share)]),
    ),
    block(
      'rules of law and of the file',
      residency.map((one) => [`  ${one.rule}`, one.users, one.verdict, one.why]),
    ),
    block('Pareto front: cost, coverage, worst loss', pareto.map(alternativeRow(plan))),
    block(
      'regions not chosen',
      others.map((one) => [
        `  ${one.region}`,
        one.constraint === 'none' ? 'not better' : one.constraint,
        one.why,
        one.admit,
      ]),
    ),
    `facts: ${factsText(plan)}`,
  ];
}

/** `file:line:column` of what the file says about a constraint; null: a default, or the command line. */
export type Where = (constraint: Infeasible['conflict'][number]['constraint']) => string | null;

const placeOf = (place: string | null): string => (place === null ? '' : ` (${place})`);

const noWay = (proven: boolean): string =>
  proven
    ? 'no one or two changes are enough'
    : 'no one or two changes were found that are enough; more time finds more';

/** Why there is no plan, and the ways out. */
export function infeasibleText(
  { name, conflict, relaxations, proven, advice, rejected }: Infeasible,
  where: Where,
): string {
  const counts = new Map<string, number>();
  for (const { constraint } of rejected) counts.set(constraint, (counts.get(constraint) ?? 0) + 1);
  return [
    proven
      ? `${name}: no set of regions keeps all of this:`
      : `${name}: no set of regions was found that keeps all of this; not all sets were looked at, so that is not proven (fewer providers or a smaller plan.regions.max end the search):`,
    ...conflict.map(({ constraint, says }) => `  ${constraint}: ${says}${placeOf(where(constraint))}`),
    ...(rejected.length === 0
      ? []
      : [`kept out: ${[...counts].map(([constraint, count]) => `${count} regions by ${constraint}`).join(', ')}`]),
    '',
    relaxations.length > 0 ? 'any one of these is enough:' : noWay(proven),
    ...table(
      relaxations.map((one) => [
        `  ${one.change}`,
        dollars(one.usd),
        one.regions.join(', '),
        `${percent(one.coverage)} in time`,
      ]),
    ),
    ...advice.map((one) => `  ${one}`),
    '',
  ].join('\n');
}
