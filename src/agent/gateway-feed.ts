import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import { placeOf } from '../base/ids.ts';
import { because, type Reason } from '../base/reason.ts';
import { isHeard } from '../decide/failover/suspicion.ts';
import type { Observation } from '../decide/failover/observation.ts';
import type { AgentConfig } from '../ports/config.ts';
import type { DatabaseStatus } from '../ports/database.ts';
import type { GatewayControl, GatewayStatus, GatewayTable } from '../ports/gateway.ts';
import type { RouteTable } from '../ports/records.ts';
import type { DataNode } from './data-node.ts';

/** A replica whose newest replayed heartbeat is older than this serves no `ro`: unknown counts as stale. */
const READ_ONLY_AGE_MS_MAX = 2_000;
/** The table is sent again this often even when nothing changed: a gateway that restarted has none. */
const REPEAT_MS = 500;

/** Tells the gateway what it may do, at every change and regularly. */
export class GatewayFeed {
  readonly #config: AgentConfig;
  readonly #gateway: GatewayControl;
  readonly #clock: Clock;
  #sent: GatewayTable | null = null;
  #sentAtMs = 0;
  #sending = false;
  /** What came while one was on its way: the newest is sent right behind it. */
  #next: GatewayTable | null = null;
  status: GatewayStatus | null = null;
  why: Reason = because('not-yet', 'no table was sent yet');

  constructor(config: AgentConfig, gateway: GatewayControl, clock: Clock) {
    this.#config = config;
    this.#gateway = gateway;
    this.#clock = clock;
  }

  feed(o: Observation, local: DatabaseStatus, data: DataNode, routes: RouteTable | null): void {
    if (isAdopting(o, local, data)) return;
    const table = this.tableOf(o, local, data, routes);
    if (this.#sending) this.#next = table;
    else this.#send(table);
  }

  #send(table: GatewayTable): void {
    const nowMs = this.#clock.nowMs();
    // A deadline moves all the time; it is sent with every heartbeat's worth of it. Freshness is told by the repeats.
    const dueMs = table.deadlineMs === null ? REPEAT_MS : 200;
    if (nowMs - this.#sentAtMs < dueMs && saysTheSame(table, this.#sent)) return;
    this.#sending = true;
    void this.#gateway.table(table).then((answer) => {
      this.#sending = false;
      this.#sentAtMs = this.#clock.nowMs();
      if (answer.kind === 'done') {
        this.#sent = table;
        this.status = answer.value;
        this.why = because('sent', `the gateway has the table of epoch ${table.epoch}`);
      } else this.why = because(answer.kind, `the gateway did not take the table: ${answer.why}`);
      const next = this.#next;
      this.#next = null;
      if (next !== null) this.#send(next);
    });
  }

  tableOf(o: Observation, local: DatabaseStatus, data: DataNode, routes: RouteTable | null): GatewayTable {
    const epoch = o.store.epoch?.value.n ?? 0;
    const open = data.open && data.reign?.epoch === epoch;
    return {
      epoch,
      local: open ? 'primary' : local.state === 'primary' || local.state === 'standby' ? local.state : 'closed',
      open,
      closing: open && data.closing,
      deadlineMs: open ? deadlineOf(data, o) : null,
      ...(open && o.policy.mode === 'async' && data.lease.ahead !== undefined ? { ahead: data.lease.ahead } : {}),
      primary: primaryOf(o, this.#config, routes),
      readOnly: this.#readOnly(o, local, data, open),
    };
  }

  #readOnly(o: Observation, local: DatabaseStatus, data: DataNode, open: boolean): GatewayTable['readOnly'] {
    const age = local.heartbeatAgeMs;
    const fresh =
      !open && local.state === 'standby' && data.otherBranch === null && age !== null && age <= READ_ONLY_AGE_MS_MAX;
    const why =
      open || fresh
        ? 'fresh'
        : (data.otherBranch?.text ?? `not fresh enough (${age === null ? 'unknown age' : `${Math.round(age)} ms`})`);
    // From when the age was read. The primary itself is bounded by its deadline.
    const freshUntilMs = fresh ? local.atMs + (READ_ONLY_AGE_MS_MAX - age) : null;
    const elsewhere: { node: NodeId; host: string; port: number }[] = [];
    for (const { node, gateway } of this.#config.peers)
      if (gateway !== null && isHeard(o, node)) elsewhere.push({ node, host: gateway.host, port: gateway.port });
    return { local: open || fresh, freshUntilMs, why, elsewhere };
  }
}

const MOVING = new Set(['deadlineMs', 'ahead', 'freshUntilMs']);

/** In everything beyond the times that move with each table: whatever a table comes to say, a change of it is sent. */
function saysTheSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((one, i) => saysTheSame(one, b[i]));
  const [mine, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const name in mine) if (!(saysTheSame(mine[name], other[name]) || MOVING.has(name))) return false;
  for (const name in other) if (!(name in mine)) return false;
  return true;
}

/**
 * RPO-0 modes: the lease's end does not end a primary, its quorum does. It may answer until its lease ends, or one TTL past
 * the last heartbeat that its set confirmed, whichever is later (P2.3). Async: its lease alone, which the keeper has already.
 */
function deadlineOf(data: DataNode, o: Observation): number {
  if (o.policy.mode === 'async') return data.deadlineMs;
  return Math.max(data.lease.deadlineMs ?? 0, data.heartbeat.lastOkAtMs + o.knobs.leaseTtlMs);
}

/**
 * A restarted agent that finds its node promoted under the present epoch: the gateway keeps the table of the agent before
 * it, within its deadline, so that no client notices (P10.1). Not one that ended this reign itself, as a hand-over does.
 */
const isAdopting = (o: Observation, local: DatabaseStatus, data: DataNode): boolean =>
  local.state === 'primary' &&
  !data.open &&
  data.endedEpoch !== local.storedEpoch &&
  local.storedEpoch === o.store.epoch?.value.n &&
  o.store.sync?.value.primary === o.me;

/** Where writes go: the primary that opened under the present epoch, as seen from here. */
function primaryOf(o: Observation, config: AgentConfig, routes: RouteTable | null): GatewayTable['primary'] {
  const epoch = o.store.epoch?.value.n;
  if (routes?.primary === undefined || routes.primary === null || routes.epoch !== epoch) return null;
  const node: NodeId = routes.primary.node;
  if (node === config.node) return null;
  const gateway = config.peers.find((peer) => peer.node === node)?.gateway;
  return gateway === undefined || gateway === null ? null : { node, region: placeOf(node), ...gateway };
}
