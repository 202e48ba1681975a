import { htmlPage } from '../../../drills/report/html/html-page.ts';
import { text } from '../../../drills/report/html/markup.ts';
import type { Facts } from '../../../facts/facts.ts';
import type { Infeasible } from '../../../plan/infeasible.ts';
import { servedPlaces } from '../../../plan/places.ts';
import type { Plan } from '../../../plan/plan.ts';
import type { PlanResult } from '../../../plan/plan-regions.ts';
import { factsText } from '../facts-text.ts';
import { curveOf } from './curve.ts';
import { mapOf } from './map.ts';
import { PLAN_STYLE } from './style.ts';
import { figures, headline, lead, regionList } from './summary.ts';
import { alternatives, availability, costs, countries, law, losses, others } from './tables.ts';
import { dollars, percent, tableOf } from './words.ts';

/** A plan, or why there is none, as one page that needs nothing else: no network, no script. `command`: how it is made again. */
export function planPage(result: PlanResult, facts: Facts, command: string): string {
  const [title, body] =
    result.kind === 'plan'
      ? [`Plan of ${result.plan.name}`, planBody(result.plan, facts)]
      : [`No plan for ${result.infeasible.name}`, infeasibleBody(result.infeasible)];
  return htmlPage(title, `${body}<h2>Do it again</h2>\n<pre>${text(command)}</pre>\n`, PLAN_STYLE);
}

const MAP_KEY: readonly (readonly [string, string])[] = [
  ['--users', 'users in time'],
  ['--late', 'users that wait longer'],
  ['--good', 'primary, and the link that commits wait for'],
  ['--ack', 'sync standby'],
  ['--c4', 'async standby'],
  ['--c7', 'witness: a vote, no data'],
];

function planBody(plan: Plan, facts: Facts): string {
  const places = servedPlaces(plan, facts);
  const { request, violations, assumptions } = plan;
  const isBroken = violations.length > 0;
  const key = MAP_KEY.filter(([colour]) => colour !== '--c4' || plan.regions.some(({ role }) => role === 'async'))
    .filter(([colour]) => colour !== '--ack' || plan.regions.some(({ role }) => role === 'sync'))
    .filter(([colour]) => colour !== '--c7' || plan.witness !== null)
    .map(([colour, word]) => `<span><i style="--c:var(${colour})"></i>${word}</span>`)
    .join('');
  return `<p class="about"><span>Farshore plan</span><span>deployment ${text(plan.name)}</span><span>${request.model}</span><span>tier ${request.tier}</span><span>${plan.verdict === 'judged' ? 'the regions of the file' : 'regions chosen'}</span></p>
<header class="verdict ${isBroken ? 'fail' : 'pass'}"><div><span class="word">${isBroken ? 'BREAKS THE FILE' : 'PLAN'}</span><h1>${text(headline(plan))}</h1><p>${text(lead(plan))}</p></div></header>
${violations.map((one) => `<p class="warn">${text(one)}</p>`).join('\n')}
${figures(plan)}
<h2>Where</h2>
<p class="quiet">The area of a circle is the share of the users there. Round trips are between the primary and the others.</p>
<figure class="drawn">${mapOf(plan, places.now, facts)}</figure><div class="key">${key}</div>
${regionList(plan)}
<h2>How fast reads are</h2>
<p class="quiet">Share of the users (upward) whose ${request.latency[0]?.metric === 'ttfb' ? 'time to the first byte' : 'round trip to their region'} is at most so long, with ${request.lastMileMs} ms of last mile. The band is what the error of the figures leaves open${
    places.afterWorst === null ? '' : `; dashed: without ${text(places.afterWorst.lost)}, the loss that hurts most`
  }.</p>
<figure class="drawn">${curveOf(plan, places)}</figure>
${countries(plan)}
<h2>When a region is lost</h2>
${losses(plan)}
<h2>What it costs</h2>
${costs(plan)}
<h2>Alternatives</h2>
${alternatives(plan)}
<h2>Why the others lost</h2>
${others(plan)}
<h2>Law and residency</h2>
<p class="quiet">Engineering defaults, not legal advice.</p>
${law(plan)}
<h2>Availability, predicted</h2>
${availability(plan)}
<h2>Assumed</h2>
<ul class="plain">${assumptions.map((one) => `<li>${text(one)}</li>`).join('')}</ul>
<p class="quiet">Facts: ${text(factsText(plan))}</p>
`;
}

function infeasibleBody({ name, conflict, relaxations, proven, advice, rejected }: Infeasible): string {
  return `<p class="about"><span>Farshore plan</span><span>deployment ${text(name)}</span></p>
<header class="verdict fail"><div><span class="word">NO PLAN</span><h1>No set of regions ${proven ? 'keeps' : 'was found that keeps'} all of this</h1><p>${proven ? 'These are in conflict with each other.' : 'Not all sets were looked at, so that is not proven.'}</p></div></header>
${tableOf(
  [{ title: 'asked by' }, { title: 'what' }],
  conflict.map(({ constraint, says }) => [constraint, says]),
)}
<h2>${relaxations.length === 0 ? 'No one or two changes are enough' : 'Any one of these is enough'}</h2>
${tableOf(
  [{ title: 'change' }, { title: 'a month', figure: true }, { title: 'regions' }, { title: 'in time', figure: true }],
  relaxations.map(({ change, usd, regions, coverage }) => [
    change,
    dollars(usd),
    regions.join(', '),
    percent(coverage),
  ]),
)}
<ul class="plain">${advice.map((one) => `<li>${text(one)}</li>`).join('')}</ul>
<h2>Kept out by themselves</h2>
${others({ others: rejected })}
`;
}
