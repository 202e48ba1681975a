import type { PlaceId } from '../../base/ids.ts';
import type { Facts } from '../../facts/facts.ts';
import { freed, planRegions, type PlanOptions } from '../../plan/plan-regions.ts';
import { limitText } from '../../plan/limit.ts';
import { DEFAULT_LATENCY, type PlanRequest } from '../../spec/planning.ts';

/** `farshore plan explain REGION`: its role, or why it has none and what the best plan with it would be. */
export function explainRegion(region: PlaceId, request: PlanRequest, facts: Facts, options: PlanOptions): string {
  const free = request.regions === null ? request : freed(request, request.regions);
  const found = planRegions(free, facts, options);
  const lines: string[] = [];
  if (request.regions?.includes(region) === true) {
    const judged = planRegions(request, facts, options);
    const there = judged.kind === 'plan' ? judged.plan.regions.find(({ id }) => id === region) : undefined;
    lines.push(`${region}: ${there?.role ?? 'named'} in the file. If the file left the regions open:`);
  }
  if (found.kind === 'infeasible') {
    const out = found.infeasible.rejected.find((one) => one.region === region);
    lines.push(
      `${region}: there is no plan at all (farshore plan says why)${out === undefined ? '' : `; this region is kept out: ${out.why}`}`,
    );
    return `${lines.join('\n')}\n`;
  }
  const { plan } = found;
  const chosen = plan.regions.find(({ id }) => id === region);
  if (chosen !== undefined) {
    const share = `${(chosen.share * 100).toFixed(1)} % of the users`;
    lines.push(`${region} is in the plan: ${chosen.role}, ${chosen.serves ? `serves ${share}` : plan.strategy.name}`);
    return `${lines.join('\n')}\n`;
  }
  const other = plan.others.find((one) => one.region === region);
  lines.push(`${region} is not in the plan: ${other?.why ?? 'nothing is known about it'}`);
  if (other !== undefined && other.constraint !== 'none') lines.push(`  what would let it in: ${other.admit}`);
  if (free.pin.includes(region) || free.pin.length >= 5) return `${lines.join('\n')}\n`;
  const pin = [...free.pin, region];
  const least = Math.max(free.sizes.min, pin.length);
  const sizes = { min: least, max: Math.max(least, free.sizes.max) };
  const pinned = planRegions({ ...free, pin, sizes }, facts, options);
  if (pinned.kind === 'infeasible') lines.push('  with it pinned there is no plan');
  else {
    const { regions, cost, reads } = pinned.plan;
    const usd = Math.round(cost.usd - plan.cost.usd);
    const points = ((reads.objectives[0]?.reached ?? 0) - (plan.reads.objectives[0]?.reached ?? 0)) * 100;
    lines.push(
      `  with it pinned the best is ${regions.map(({ id }) => id).join(', ')}: ${usd < 0 ? '-' : '+'}$${Math.abs(usd)} a month, ${points < 0 ? '' : '+'}${points.toFixed(1)} points ${limitText(reads.objectives[0] ?? DEFAULT_LATENCY)}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
