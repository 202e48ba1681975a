import type { NodeId } from '../src/base/ids.ts';
import { compareLsn } from '../src/base/lsn.ts';
import { covers } from '../src/decide/failover/quorum.ts';
import type { EpochRecord, FenceRecord, PositionRecord, RouteTable, SyncRecord } from '../src/ports/records.ts';
import { keysOf } from '../src/ports/records.ts';
import type { Acked } from './clients.ts';
import { Losses } from './losses.ts';
import type { PgServer } from './postgres/server.ts';
import { isPrefix, lsnOf } from './postgres/wal.ts';
import type { World } from './world.ts';

/** Sees everything at once, without links, and holds the invariants against it (design §4) as events happen. */
export class Judge {
  readonly #world: World;
  readonly violations: string[] = [];
  epoch: EpochRecord | null = null;
  sync: SyncRecord | null = null;
  #position: PositionRecord | null = null;
  /** An operation that a person asked for is not over. */
  #asked = false;
  readonly #fences = new Map<number, FenceRecord>();
  readonly losses: Losses;
  /** Who began each epoch in a database. */
  readonly #began = new Map<number, PgServer>();

  constructor(world: World) {
    this.#world = world;
    this.losses = new Losses(world, (what) => this.#violation(what));
    world.ledger.onAck = (acked) => this.#judgeAck(acked);
    for (const { id, host } of world.dataNodes) {
      host.onReplaced = (before, after) => {
        if (this.sync?.names.includes(id) === true && !isPrefix(before.wal, after.wal))
          this.#violation(`P3.2: ${id} is in the record, and has removed what it flushed`);
      };
      host.report = (what) => this.#violation(what);
      host.onServer = (server) => {
        server.onSettings = () => this.#judgeCover();
        server.onEpoch = (epoch) => this.#judgeReign(server, epoch);
      };
    }
    const keys = keysOf(world.policy.deployment, world.policy.group);
    const read: Record<string, (text: string) => void> = {
      [keys.epoch]: (text) => this.#judgeEpoch(JSON.parse(text) as EpochRecord),
      [keys.sync]: (text) => this.#judgeSync(JSON.parse(text) as SyncRecord),
      [keys.routes]: (text) => this.#judgeRoutes(JSON.parse(text) as RouteTable),
      [keys.position]: (text) => {
        this.#position = JSON.parse(text) as PositionRecord;
      },
    };
    const fences = keys.fence(0).slice(0, -1);
    world.store.direct().watch(keys.prefix, 0, {
      onEvents: (events) => {
        for (const event of events) {
          if ((event.kind === 'put' ? event.kv.key : event.key) === keys.slot) this.#asked = event.kind === 'put';
          if (event.kind !== 'put') continue;
          read[event.kv.key]?.(event.kv.value);
          if (!event.kv.key.startsWith(fences)) continue;
          const fence = JSON.parse(event.kv.value) as FenceRecord;
          this.#fences.set(fence.epoch, fence);
          this.#judgeFence(fence);
        }
      },
      onEnd: () => undefined,
    });
  }

  #violation(what: string): void {
    this.violations.push(what);
    this.#world.tell('judge', `VIOLATION ${what}`);
  }

  /** I1: epochs strictly increase. */
  #judgeEpoch(record: EpochRecord): void {
    if (this.epoch !== null && record.n <= this.epoch.n) this.#violation(`I1: epoch ${record.n} after ${this.epoch.n}`);
    this.epoch = record;
  }

  /** P4.2: every write of the record raises its version. */
  #judgeSync(record: SyncRecord): void {
    const before = this.sync;
    if (before !== null && record.version <= before.version)
      this.#violation(`P4.2: version ${record.version} of the sync record after ${before.version}`);
    this.sync = record;
    this.#judgeCover();
  }

  /** I2, P3.1: what the fence record says is true: whoever was read takes nothing more from an older reign. */
  #judgeFence(fence: FenceRecord): void {
    for (const { node, lsn } of fence.evidence) {
      const server = this.#world.hosts.get(node)?.running;
      if (server === undefined || server === null || server.state !== 'standby') continue;
      const upstream = server.startupUpstream;
      if (server.receiver !== null && upstream !== null && upstream.epoch < fence.epoch)
        this.#violation(`I2: the fence of epoch ${fence.epoch} says that ${node} is detached, and it still streams`);
      else if (upstream === null && lsnOf(server.end) !== lsn && !stoppedAt(server, lsn))
        this.#violation(`I2: the fence of epoch ${fence.epoch} has ${node} at ${lsn}, it is at ${lsnOf(server.end)}`);
    }
  }

  /** P4.1: the record covers every list by which PostgreSQL may release a commit now. */
  #judgeCover(): void {
    const { sync } = this;
    if (sync === null || sync.w === 0) return;
    const server = this.#world.hosts.get(sync.primary)?.running;
    if (server === undefined || server === null || server.state !== 'primary' || server.storedEpoch !== sync.epoch)
      return;
    for (const list of server.listsInForce()) {
      if (covers(sync, list)) continue;
      this.#violation(
        `P4.1: the record says ${sync.w} of ${sync.names.join(', ')}; ${sync.primary} may release by ${list.w} of ${list.names.join(', ')}`,
      );
      return;
    }
  }

  /** I12: never no region at all. */
  #judgeRoutes(routes: RouteTable): void {
    if (routes.regions.every((region) => region.state !== 'serving' || region.weight === 0))
      this.#violation(`I12: the route table of generation ${routes.generation} leads nowhere`);
  }

  /** A reign begins in a database: fence, position and everything acknowledged before (I1, I2, I3, I6). */
  #judgeReign(server: PgServer, epoch: number): void {
    this.#world.tell(
      server.node,
      `reign of epoch ${epoch} begins at ${lsnOf(server.end)}, timeline ${server.timeline}`,
    );
    const other = this.#began.get(epoch);
    if (other !== undefined && other.node !== server.node)
      this.#violation(`I1: ${other.node} and ${server.node} both began epoch ${epoch}`);
    this.#began.set(epoch, server);
    if (epoch === 1) return;
    const fence = this.#fences.get(epoch);
    if (fence === undefined) this.#violation(`I2: ${server.node} began epoch ${epoch} without a fence record`);
    const { sync } = this;
    if (sync === null || (sync.epoch === epoch && sync.primary !== server.node))
      this.#violation(`I2: the record names ${sync?.primary}, ${server.node} began epoch ${epoch}`);
    this.losses.began(epoch);
    for (const acked of this.#world.ledger.acked) if (!this.#has(server, acked)) this.#lacks(server, epoch, acked);
    const last = fence?.lossAccepted === undefined ? this.#position : null;
    if (last !== null && last.timeline === server.timeline - 1 && compareLsn(lsnOf(server.end), last.lsn) < 0)
      this.#violation(`I6: ${server.node} began epoch ${epoch} behind the recorded position ${last.lsn}`);
  }

  #has = (server: PgServer, acked: Acked): boolean => server.dir.wal[acked.count - 1] === acked.entry;

  #lacks(server: PgServer, epoch: number, acked: Acked): void {
    this.losses.add(server.node, epoch, acked, this.#fences.get(epoch));
  }

  #judgeAck(acked: Acked): void {
    const { whenAlone, mode } = this.#world.policy;
    this.losses.judgeAck(acked);
    for (const [epoch, server] of this.#began)
      if (epoch > acked.epoch && !this.#has(server, acked)) return this.#lacks(server, epoch, acked);
    if (mode === 'async') return;
    this.#judgeConfirmed(acked);
    if (whenAlone !== 'block') return;
    const elsewhere = this.#world.dataNodes.some(
      ({ place, host }) => place !== acked.server.place && host.dir.wal[acked.count - 1] === acked.entry,
    );
    if (!elsewhere) this.#violation(`I4: write ${acked.id} was acknowledged by ${acked.server.node} alone`);
  }

  /** I4: what was acknowledged is on as many of the recorded standbys as the record says, each counted once. */
  #judgeConfirmed(acked: Acked): void {
    const { sync } = this;
    if (sync === null || sync.epoch !== acked.epoch || sync.primary !== acked.server.node) return;
    const has = sync.names.filter(
      (name) => this.#world.hosts.get(name)?.dir.wal[acked.count - 1] === acked.entry,
    ).length;
    if (has < sync.w)
      this.#violation(`I4: write ${acked.id} is on ${has} of ${sync.names.join(', ')}, the record says ${sync.w}`);
  }

  /** The open primary of the newest epoch, when there is one. */
  primary(): PgServer | null {
    for (const { id, host, running } of this.#world.dataNodes) {
      const server = host.running;
      if (server?.state === 'primary' && running?.data?.open === true && this.sync?.primary === id) return server;
    }
    return null;
  }

  /** Everything is home again: one primary, the others on its branch and streaming, the record as the mode wants it. */
  atRest(): boolean {
    const primary = this.primary();
    if (primary === null || this.sync === null || this.epoch === null || this.#asked) return false;
    const others = this.#world.dataNodes.filter(({ id }) => id !== primary.node);
    return (
      this.sync.epoch === this.epoch.n &&
      this.sync.names.length === this.#namesAtRest(primary.node) &&
      this.sync.w === this.#confirmationsAtRest() &&
      others.every(({ host }) => {
        const server = host.running;
        return (
          server?.state === 'standby' &&
          server.receiver?.streaming === true &&
          isPrefix(server.dir.wal, primary.dir.wal)
        );
      })
    );
  }

  /** Async: everybody may be promoted. Else one node of each other region confirms (M5, M6). */
  #namesAtRest(primary: NodeId): number {
    const { dataNodes, regions, mode } = this.#world.policy;
    return mode === 'async' ? dataNodes.filter((node) => node !== primary).length : regions.length - 1;
  }

  #confirmationsAtRest(): number {
    const { regions, mode, confirm } = this.#world.policy;
    return mode === 'sync' ? regions.length - 1 : Math.min(confirm, regions.length - 1);
  }

  /** After the healing: judged on the timeline that is left. */
  judgeEnd(healedAtMs: number, isAtRest: boolean): void {
    const primary = this.primary();
    const { acked, lastAckMs } = this.#world.ledger;
    if (lastAckMs < healedAtMs) this.#violation('liveness: no write was acknowledged after everything was repaired');
    else if (!isAtRest)
      this.#violation(
        `liveness: not at rest after everything was repaired${this.#asked ? ', an operation is not over' : ''}; record ${JSON.stringify(this.sync)}`,
      );
    if (isAtRest) this.losses.judgeSaved();
    if (primary === null) return;
    for (const one of acked) if (!this.#has(primary, one)) this.#lacks(primary, this.epoch?.n ?? 0, one);
  }
}

/** Stopped cleanly: the position that it gave is where its last checkpoint begins. */
function stoppedAt(server: PgServer, lsn: string): boolean {
  const last = server.dir.wal.at(-1)?.what;
  return last?.kind === 'mark' && last.text === 'shutdown checkpoint' && lsnOf(server.end - 1) === lsn;
}
