import { carbonText } from '../../../facts/countries.ts';
import { box } from '../../../drills/report/html/box.ts';
import { text } from '../../../drills/report/html/markup.ts';
import type { Plan, PlannedRegion } from '../../../plan/plan.ts';
import { isMet, limitText } from '../../../plan/limit.ts';
import { formatDuration } from '../../../spec/duration.ts';
import { DEFAULT_LATENCY } from '../../../spec/planning.ts';
import { aYear, dollars, ms, percent } from './words.ts';
import { proofSentence } from '../proof.ts';

export function headline({ regions, reads, cost, violations }: Plan): string {
  const [primary, ...others] = regions.map(({ id }) => id);
  const [objective] = reads.objectives;
  const inTime = `${percent(objective?.reached ?? 0)} of ${objective?.country ?? 'the'} users ${limitText(objective ?? DEFAULT_LATENCY)}`;
  const where = `${primary} with ${others.join(' and ')}`;
  return violations.length > 0
    ? `${where} breaks what the file asks`
    : `${where}: ${inTime}, for ${dollars(cost.usd)} a month`;
}

export function lead(plan: Plan): string {
  const { mode, writes, strategy, request, verdict, witness } = plan;
  const commit =
    writes.commitWaitMs === 0
      ? 'A commit waits for no other region'
      : `A commit waits ${ms(writes.commitWaitMs)} for ${mode === 'sync' ? writes.waitsFor.join(', ') : `the first of the others (${writes.waitsFor.join()})`}`;
  const loss =
    mode === 'async'
      ? `the loss of a region may lose the writes of the last ${formatDuration(strategy.rpoMs || request.rpoMs)}`
      : 'the loss of one region loses no acknowledged write';
  const judged = verdict === 'judged' ? 'The regions are the file’s.' : `Proof: ${proofSentence(plan)}.`;
  const third =
    witness !== null
      ? ` A third vote is at ${witness.id} (${witness.place}), without data: ${witness.why}.`
      : request.thirdVote
        ? ' No place is left for a third vote: after the loss of a region a person has to decide.'
        : '';
  return `${commit}; ${loss}. Service again ${formatDuration(strategy.rtoMs.low)} to ${formatDuration(strategy.rtoMs.high)} after it (${strategy.name}; predicted, ${formatDuration(request.rtoMs)} asked${strategy.rtoMs.high > request.rtoMs ? ': NOT MET' : ''}).${third} ${judged}`;
}

/** What was asked, and what one pays for it. */
export const figures = (plan: Plan): string =>
  `<section class="figures" aria-label="Figures">${[reads(plan), writes(plan), loss(plan), price(plan), down(plan), sure(plan)].join('')}</section>`;

function reads({ reads: { objectives, firstByte, ...rtt } }: Plan): string {
  const [first] = objectives;
  const { p50Ms, p95Ms } = first?.metric === 'ttfb' ? firstByte : rtt;
  const isReached = first !== undefined && isMet(first);
  return box({
    title: `Users ${limitText(first ?? DEFAULT_LATENCY)}`,
    value: percent(first?.reached ?? 0),
    tone: first === undefined || first.asked === 0 ? '' : isReached ? 'pass' : 'fail',
    used: first?.reached ?? 0,
    lines: [
      first === undefined || first.asked === 0 ? 'nothing was asked' : `asked ${percent(first.asked)}`,
      `error bands: ${percent(first?.low ?? 0)} to ${percent(first?.high ?? 0)}`,
      `half of them ${ms(p50Ms)}, 95 of 100 ${ms(p95Ms)}`,
    ],
  });
}

const writes = ({ writes: { commitWaitMs, meanMs, p95Ms }, mode }: Plan): string =>
  box({
    title: 'A user’s write',
    value: ms(meanMs),
    tone: '',
    used: null,
    lines: [`on average; 95 of 100 ${ms(p95Ms)}`, `${mode}: ${ms(commitWaitMs)} of it wait for another region`],
  });

function loss({ losses, reads: { objectives }, request: { worstShare } }: Plan): string {
  const [worst] = losses.toSorted((a, b) => a.coverage - b.coverage);
  return box({
    title: 'In time after the worst loss',
    value: percent(worst?.coverage ?? 0),
    tone: worstShare === null ? '' : (worst?.coverage ?? 0) >= worstShare ? 'pass' : 'fail',
    used: worst?.coverage ?? 0,
    lines: [
      `without ${worst?.region ?? ''}, ${limitText(objectives[0] ?? DEFAULT_LATENCY)}`,
      `round trips: 95 of 100 ${ms(worst?.p95Ms ?? 0)}`,
    ],
  });
}

function price({ cost: { usd, lowUsd, highUsd }, request: { budgetUsd } }: Plan): string {
  const isExact = Math.round(lowUsd) === Math.round(highUsd);
  return box({
    title: 'Cost a month',
    value: dollars(usd),
    tone: budgetUsd === null ? '' : usd <= budgetUsd ? 'pass' : 'fail',
    used: budgetUsd === null ? null : usd / budgetUsd,
    lines: [
      isExact ? 'list prices' : `list prices: ${dollars(lowUsd)} to ${dollars(highUsd)}`,
      ...(budgetUsd === null ? [] : [`budget ${dollars(budgetUsd)}`]),
    ],
  });
}

const down = ({ availability }: Plan): string =>
  box({
    title: 'Down in a year, predicted',
    value: aYear(1 - availability.total),
    tone: '',
    used: null,
    lines: [
      `available ${(availability.total * 100).toFixed(4)} %`,
      `${aYear(availability.shared)} of it by what all regions share`,
    ],
  });

function sure({ robustness }: Plan): string {
  if (robustness === null)
    return box({ title: 'Stays the best', value: '–', tone: '', used: null, lines: ['the regions are the file’s'] });
  return box({
    title: 'Stays the best',
    value: percent(robustness.wins),
    tone: '',
    used: robustness.wins,
    lines: [
      `of ${robustness.trials} trials inside the error bands, shares ±20 %`,
      `allowed in ${percent(robustness.holds)}`,
    ],
  });
}

/** The regions of the map by their numbers. */
export function regionList({ regions, strategy, witness }: Plan): string {
  const item = (region: PlannedRegion, i: number): string => {
    const { id, role, place, country, serves, share, machines, toPrimaryMs, toPrimaryMethod } = region;
    const lines = [
      `${place}, ${country}: ${serves ? `${percent(share)} of users` : strategy.name}, ${machines} machine${machines === 1 ? '' : 's'}`,
      ...(role === 'primary' ? [] : [`${ms(toPrimaryMs)} to the primary, ${toPrimaryMethod}`]),
      `carbon ${carbonText(region.carbonRange)}`,
      ...(region.optIn ? ['must be enabled for the account before a failover'] : []),
    ];
    return `<li class="${role}"><b><i>${i + 1}</i>${text(id)} · ${role}</b>${lines.map((line) => `<span>${text(line)}</span>`).join('')}</li>`;
  };
  const vote =
    witness === null
      ? ''
      : `<li class="witness"><b><i>W</i>${text(witness.id)} · witness</b><span>${text(`${witness.place}, ${witness.country}: a vote, no data and no users, ${dollars(witness.usd)} a month`)}</span><span>${ms(witness.farthestMs)} to the farthest region</span></li>`;
  return `<ol class="regions">${regions.map(item).join('')}${vote}</ol>`;
}
