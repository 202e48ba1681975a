import type { PlaceId } from '../../base/ids.ts';
import { computePrice, egressPrice, storagePrice, transferPrice } from '../../facts/prices.ts';
import type { PlanRequest } from '../../spec/planning.ts';
import type { Base } from '../build/base.ts';
import { DEAREST, HOURS_A_MONTH, LOAD_BALANCER, moneyOf, type Money } from '../money.ts';
import type { Cost, CostLine, Witness } from '../plan.ts';
import { witnessMoney } from '../witness.ts';
import { loadsOf, machinesOf, type Layout } from './serve.ts';

/** US dollars a month, line by line. Bounds are added up: the sum is not outside them, and seldom near them. */
export function costOf(request: PlanRequest, base: Base, layout: Layout, witness: Witness | null): Cost {
  const { facts } = base;
  const { load } = request;
  const machines = machinesOf(request, base, layout);
  const loads = loadsOf(base, layout.serving);
  const [primary] = layout.regions as [PlaceId];
  const lines: CostLine[] = [];
  const add = (region: PlaceId, what: CostLine['what'], detail: string, money: Money): void => {
    lines.push({ region, what, detail, ...money });
  };
  for (const id of layout.regions) {
    const count = machines.get(id) ?? 0;
    const perMachine = moneyOf(computePrice(facts, id, 'general'), HOURS_A_MONTH, DEAREST.computeHour);
    if (count > 0)
      add(id, 'compute', `${count} machines of 8 processors, ${roleOf(request, layout, id)}`, times(perMachine, count));
    add(id, 'storage', `${load.storageGib} GiB`, moneyOf(storagePrice(facts, id), load.storageGib, DEAREST.storageGib));
    add(id, 'load balancer', 'with its health checks', LOAD_BALANCER);
    const sent = (loads.get(id) ?? 0) * load.egressGb;
    if (sent > 0)
      add(id, 'egress', `${Math.round(sent)} GB to users`, moneyOf(egressPrice(facts, id), sent, DEAREST.sentGb));
    if (id !== primary && load.changesGb > 0)
      add(
        primary,
        'replication',
        `${load.changesGb} GB of changes to ${id}`,
        moneyOf(transferPrice(facts, primary, id), load.changesGb, DEAREST.sentGb),
      );
  }
  if (witness !== null)
    add(witness.id, 'witness', '2 processors of a machine: a vote without data', witnessMoney(base, witness.id));
  const sum = (of: (line: Money) => number): number => lines.reduce((total, line) => total + of(line), 0);
  if (request.supportShare > 0) {
    const rest = {
      usd: sum(({ usd }) => usd),
      lowUsd: sum((m) => m.lowUsd),
      highUsd: sum((m) => m.highUsd),
      source: '',
    };
    const detail = `${request.supportShare * 100} % of the rest`;
    lines.push({ region: null, what: 'support', detail, ...times(rest, request.supportShare), source: 'plan.support' });
  }
  return { lines, usd: sum(({ usd }) => usd), lowUsd: sum((m) => m.lowUsd), highUsd: sum((m) => m.highUsd) };
}

const times = (money: Money, count: number): Money => ({
  ...money,
  usd: money.usd * count,
  lowUsd: money.lowUsd * count,
  highUsd: money.highUsd * count,
});

const roleOf = (request: PlanRequest, layout: Layout, id: PlaceId): string =>
  request.model !== 'active-passive'
    ? 'with room for a neighbour that is lost'
    : id === layout.regions[0]
      ? 'serving'
      : layout.strategy.name;
