import type { PlanFile } from './plan-file.ts';
import { limitText } from '../limit.ts';

/** What is another in the second of two plans. */
export interface PlanDiff {
  readonly schema: 'farshore.plan-diff/v1';
  readonly same: boolean;
  readonly names: readonly [string, string];
  readonly regions: readonly RegionChange[];
  readonly figures: readonly Figure[];
  /** US dollars a month by kind of cost. */
  readonly cost: readonly { readonly what: string; readonly was: number; readonly is: number }[];
  /** What was asked differently: `latency.0.withinMs`. Values as JSON; null: not there. */
  readonly asked: readonly { readonly path: string; readonly was: string | null; readonly is: string | null }[];
  readonly facts: readonly { readonly pack: string; readonly was: string | null; readonly is: string | null }[];
}

export interface RegionChange {
  readonly id: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly says: string;
}

export interface Figure {
  readonly what: string;
  readonly unit: 'share' | 'ms' | 'usd' | 'word';
  readonly was: number | string | null;
  readonly is: number | string | null;
}

export function diffPlans(a: PlanFile, b: PlanFile): PlanDiff {
  const regions = regionChanges(a, b);
  const figures = [...figuresOf(a, b)].filter(({ was, is }) => !isEqual(was, is));
  const cost = costChanges(a, b);
  const asked = askedChanges(a.request, b.request);
  const facts = factChanges(a, b);
  return {
    schema: 'farshore.plan-diff/v1',
    same: regions.length + figures.length + cost.length + asked.length + facts.length === 0,
    names: [a.name, b.name],
    regions,
    figures,
    cost,
    asked,
    facts,
  };
}

/** Sums of the same figures in another order differ by less than anybody can see. */
const isEqual = (was: number | string | null, is: number | string | null): boolean =>
  typeof was === 'number' && typeof is === 'number' ? Math.abs(was - is) < 1e-6 : was === is;

function regionChanges(a: PlanFile, b: PlanFile): readonly RegionChange[] {
  const before = new Map(a.regions.map((region) => [region.id, region]));
  const after = new Map(b.regions.map((region) => [region.id, region]));
  const gone = a.regions
    .filter(({ id }) => !after.has(id))
    .map(({ id, role }): RegionChange => ({ id, change: 'removed', says: `was ${role}` }));
  const others = b.regions.flatMap((region): RegionChange[] => {
    const { id, role, machines, serves } = region;
    const was = before.get(id);
    if (was === undefined) return [{ id, change: 'added', says: `${role}, ${machines} machines` }];
    const says = [
      ...(was.role === role ? [] : [`${was.role} → ${role}`]),
      ...(was.serves === serves ? [] : [serves ? 'serves users now' : 'serves no users now']),
      ...(was.machines === machines ? [] : [`${was.machines} → ${machines} machines`]),
    ];
    return says.length === 0 ? [] : [{ id, change: 'changed', says: says.join(', ') }];
  });
  return [...gone, ...others];
}

function* figuresOf(a: PlanFile, b: PlanFile): Generator<Figure> {
  yield { what: 'replication', unit: 'word', was: a.mode, is: b.mode };
  yield { what: 'strategy', unit: 'word', was: a.strategy.name, is: b.strategy.name };
  const nameOf = (one: PlanFile['reads']['objectives'][number]): string =>
    `${one.country ?? 'all'} users ${limitText(one)}`;
  const names = new Set([...a.reads.objectives, ...b.reads.objectives].map(nameOf));
  for (const name of names) {
    const find = (plan: PlanFile) => plan.reads.objectives.find((one) => nameOf(one) === name)?.reached ?? null;
    yield { what: name, unit: 'share', was: find(a), is: find(b) };
  }
  yield { what: 'reads, half of the users', unit: 'ms', was: a.reads.p50Ms, is: b.reads.p50Ms };
  yield { what: 'reads, 95 of 100', unit: 'ms', was: a.reads.p95Ms, is: b.reads.p95Ms };
  yield { what: 'a commit’s wait', unit: 'ms', was: a.writes.commitWaitMs, is: b.writes.commitWaitMs };
  yield { what: 'a user’s write', unit: 'ms', was: a.writes.meanMs, is: b.writes.meanMs };
  const worst = (plan: PlanFile): number => Math.min(...plan.losses.map(({ coverage }) => coverage));
  yield { what: 'in time after the worst loss', unit: 'share', was: worst(a), is: worst(b) };
  yield { what: 'availability', unit: 'share', was: a.availability.total, is: b.availability.total };
  yield { what: 'cost a month', unit: 'usd', was: a.cost.usd, is: b.cost.usd };
}

function costChanges(a: PlanFile, b: PlanFile): PlanDiff['cost'] {
  const sums = ({ cost }: PlanFile): Map<string, number> => {
    const sum = new Map<string, number>();
    for (const { what, usd } of cost.lines) sum.set(what, (sum.get(what) ?? 0) + usd);
    return sum;
  };
  const [before, after] = [sums(a), sums(b)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((what) => ({ what, was: before.get(what) ?? 0, is: after.get(what) ?? 0 }))
    .filter(({ was, is }) => Math.abs(was - is) >= 0.005);
}

/** Every leaf of the request that is not the same. */
function askedChanges(a: PlanFile['request'], b: PlanFile['request']): PlanDiff['asked'] {
  const [before, after] = [leavesOf(a), leavesOf(b)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .toSorted()
    .map((path) => ({ path, was: before.get(path) ?? null, is: after.get(path) ?? null }))
    .filter(({ was, is }) => was !== is);
}

function leavesOf(value: unknown, path: readonly string[] = []): Map<string, string> {
  if (typeof value !== 'object' || value === null) return new Map([[path.join('.'), JSON.stringify(value)]]);
  return new Map(Object.entries(value).flatMap(([key, inner]) => [...leavesOf(inner, [...path, key])]));
}

function factChanges(a: PlanFile, b: PlanFile): PlanDiff['facts'] {
  const has = (plan: PlanFile, what: (one: PlanFile['facts'][number]) => string | null): boolean =>
    plan.facts.every((one) => what(one) !== null);
  // What one of the plans could not yet say is no difference.
  const withSums = has(a, ({ sha256 }) => sha256) && has(b, ({ sha256 }) => sha256);
  const withOwn = a.ownFacts !== null && b.ownFacts !== null;
  const of = ({ facts, ownFacts }: PlanFile): Map<string, string> => {
    const said = (asOf: string | null, sha256: string | null): string =>
      [asOf ?? '', withSums && sha256 !== null ? `sha256 ${sha256.slice(0, SUM_SHOWN)}` : '']
        .filter(Boolean)
        .join(', ');
    return new Map([
      ...facts.map(({ pack, asOf, sha256 }) => [pack, said(asOf, sha256)] as const),
      ...(withOwn ? (ownFacts ?? []) : []).map((one) => [`your own ${one.file}`, said(one.asOf, one.sha256)] as const),
    ]);
  };
  const [before, after] = [of(a), of(b)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((pack) => ({ pack, was: before.get(pack) ?? null, is: after.get(pack) ?? null }))
    .filter(({ was, is }) => was !== is);
}

const SUM_SHOWN = 12;
