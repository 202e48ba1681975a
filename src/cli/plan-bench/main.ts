import { providerOf } from '../../facts/facts.ts';
import { leaveOneRegionOut, scoreOf } from '../../facts/latency/evaluate.ts';
import { baseOf } from '../../plan/build/base.ts';
import { build } from '../../plan/build/build.ts';
import { choose } from '../../plan/choose/choose.ts';
import type { PlanProblem } from '../../plan/problem.ts';
import { parsePlanRequest, type PlanRequest } from '../../spec/planning.ts';
import { readFacts } from '../read-facts.ts';
import { table } from '../text.ts';

/**
 * `npm run bench:plan`: how long the chooser takes for the whole world's users, with price, coverage, worst loss, the best six and the Pareto front,
 * proven; processor time, the median of the runs. The latency model's figures are from `npm run bench:facts`; agreement of enumeration, mixed integer program and brute force from
 * `src/plan/choose/choose.test.ts`. A word after `--` picks the cases that have it in their name: `npm run bench:plan -- 'of 32'`.
 */
const RUNS = 3;

const facts = readFacts();

function problemOf(change: Partial<PlanRequest>): PlanProblem {
  const parsed = parsePlanRequest('farshore: v1\nname: bench\nmodel: active-active\ntier: high\n', 'bench', facts);
  if (!parsed.ok) throw new Error('the bench has no request');
  const request = { ...parsed.value.request, ...change };
  const built = build(request, baseOf(request, facts), new Set());
  if (Array.isArray(built)) throw new Error('the bench has no candidates');
  return built.problem;
}

const every = [...facts.regions.keys()];
const measured = new Set([...facts.rtts.keys()].flatMap((key) => key.split('|')));
const aws = every.filter((id) => providerOf(id) === 'aws' && measured.has(id));
const bans = every.filter((id) => !aws.includes(id));
const world = facts.clusters.reduce((sum, { internetUsers }) => sum + internetUsers, 0);
const countries = [...new Set(facts.clusters.map(({ country }) => country))];
const users = countries.map((country) => {
  const count = facts.clusters.reduce((sum, one) => sum + (one.country === country ? one.internetUsers : 0), 0);
  return { country, share: count / world };
});
const common = { users, data: [], hazards: 'accept', minSeparationKm: 0 } as const;
const asking = (share: number) => ({
  hasLatency: true,
  latency: [{ withinMs: 100, share, country: null, metric: 'rtt' as const }],
});

const CASES: readonly (readonly [string, () => PlanProblem])[] = [
  [
    'k <= 5 of 32, cheapest with 70 % in 100 ms',
    () => problemOf({ ...common, ban: bans, sizes: { min: 2, max: 5 }, ...asking(0.7) }),
  ],
  [
    'k <= 5 of 32, cheapest, nothing asked',
    () => problemOf({ ...common, ban: bans, sizes: { min: 2, max: 5 }, ...asking(0) }),
  ],
  ['k <= 5 of 32, most users in 100 ms', () => problemOf({ ...common, ban: bans, sizes: { min: 2, max: 5 } })],
  [
    'k <= 4 of 132, cheapest with 70 % in 100 ms',
    () => problemOf({ ...common, sizes: { min: 2, max: 4 }, ...asking(0.7) }),
  ],
  ['k <= 4 of 132, cheapest, nothing asked', () => problemOf({ ...common, sizes: { min: 2, max: 4 }, ...asking(0) })],
  ['k <= 4 of 132, most users in 100 ms', () => problemOf({ ...common, sizes: { min: 2, max: 4 } })],
];

const wanted = process.argv[2] ?? '';
const rows = CASES.filter(([name]) => name.includes(wanted)).map(([name, make]) => {
  const problem = make();
  const times: number[] = [];
  let chosen = choose(problem);
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage();
    chosen = choose(problem);
    times.push(process.cpuUsage(before).user / 1_000);
  }
  const { proof, pareto, top } = chosen;
  const median = times.toSorted((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0;
  return [
    name,
    `${problem.weights.length} populations`,
    `${(median / 1_000).toFixed(2)} s`,
    `${(Math.max(...times) / 1_000).toFixed(2)} s worst`,
    proof.kind,
    `${proof.subsets.toLocaleString('en-US')} sets, ${proof.evaluated.toLocaleString('en-US')} priced`,
    `${pareto.length} on the front`,
    top[0]?.regions.map((r) => problem.candidates[r]).join(' ') ?? 'none',
  ];
});
const score = scoreOf(leaveOneRegionOut(facts, 'aws', 'none'));
process.stdout.write(
  `${table(rows).join('\n')}\nlatency of unseen regions, leave-one-out on AWS: median ${score.medianMs.toFixed(1)} ms, P90 ${score.p90Ms.toFixed(1)} ms, R2 ${score.r2.toFixed(3)}\n`,
);
