import type { Plan } from '../../plan/plan.ts';

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const dollars = (usd: number): string => `$${Math.round(usd).toLocaleString('en-US')}`;

/** Is it the best, and if that is not proven: how much better could another one be? */
export function proofSentence({ proof, cost, reads, request, verdict, alternatives: [freely] }: Plan): string {
  if (verdict === 'judged') {
    const free =
      proof === null || freely === undefined
        ? 'as many of the same providers, chosen freely, were not found'
        : `chosen freely, the best ${proof.kind === 'optimal' ? `is proven (${proof.subsets.toLocaleString('en-US')} sets)` : 'that was found'}: ${freely.regions.join(', ')}, ${dollars(freely.usd)}`;
    return `none: the regions are the file’s, nobody chose them; ${free}`;
  }
  if (proof === null) return 'none';
  const sets = proof.subsets.toLocaleString('en-US');
  if (proof.kind === 'optimal')
    return `optimal: all ${sets} sets evaluated or excluded by a bound${proof.wholeFront ? '' : ' (the Pareto front is of the sets that were worked out, not of all)'}`;
  const { bound } = proof;
  const reached = reads.objectives[0]?.reached ?? 0;
  const most = request.hasLatency
    ? `at most ${percent(Math.max(0, cost.usd - bound) / cost.usd)} cheaper: nothing costs less than ${dollars(bound)}`
    : `at most ${((bound - reached) * 100).toFixed(1)} points more users in time: nothing reaches more than ${percent(bound)}`;
  return `best found, not proven; another set is ${most} (${sets} sets). For the proof: no --within, fewer providers, or plan.regions.max: ${Math.max(2, request.sizes.max - 1)}`;
}
