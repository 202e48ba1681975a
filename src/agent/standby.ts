import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import { compareLsn } from '../base/lsn.ts';
import type { Reason } from '../base/reason.ts';
import { done, type Outcome, refused, unknown } from '../base/result.ts';
import { reignList } from '../decide/failover/positioning.ts';
import type { RoleAction } from '../decide/failover/role.ts';
import type { Order } from '../ports/agent.ts';
import type { AgentConfig } from '../ports/config.ts';
import type { Position, Progress, RegionDatabase, Salvage, SyncList, Upstream } from '../ports/database.ts';
import type { FenceRecord } from '../ports/records.ts';
import type { Log } from '../telemetry/log.ts';
import { upstreamOf } from './context.ts';
import type { GroupStore } from './group-store.ts';
import { type Permit, unlessOvertaken } from './order-desk.ts';
import { type Circumstances, Remake, type Remade } from './remake.ts';

/** A fast stop takes at most as long (FAST_STOP_GRACE_MS of database/postgres). */
const STREAM_END_MS_MAX = 5_000;
const STREAM_LOOK_EVERY_MS = 5;

type Join = Extract<RoleAction, { readonly do: 'join' | 'join-again' }>;

/** What a standby's agent does to its PostgreSQL. Every function is called under a permit of the order desk. */
export class StandbyDuty {
  readonly #config: AgentConfig;
  readonly #database: RegionDatabase;
  readonly #group: GroupStore;
  readonly #clock: Clock;
  readonly #log: Log;
  #waitsProven = false;
  /** The list that a planned move set and showed to be in force, until anything else sets one. */
  #prepared: SyncList | null = null;
  readonly #remake: Remake;
  /** Where this node was when a takeover detached it: it may skip the comparison with the fork if that was not beyond it. */
  #detached: { readonly epoch: number; readonly position: Position } | null = null;

  /** Whose copy this node was started from, while it has followed nobody since: it needs no comparison with it. */
  #cloned: { readonly node: NodeId; readonly epoch: number } | null = null;

  constructor(config: AgentConfig, database: RegionDatabase, group: GroupStore, clock: Clock, log: Log) {
    this.#config = config;
    this.#database = database;
    this.#group = group;
    this.#clock = clock;
    this.#log = log;
    this.#remake = new Remake(database, group, clock, log, () => this.#startAnew());
  }

  /** What this node held alone at any time, and where it was saved. */
  get salvages(): readonly Salvage[] {
    return this.#remake.salvages;
  }

  /** Obeys a detach order: the store is asked first whether the order's epoch still stands (P5). */
  async detach(order: Order, permit: Permit, otherBranch: Reason | null): Promise<Outcome<Position>> {
    const [now, status] = await Promise.all([this.#group.readReign(), this.#database.status()]);
    if (now.kind !== 'done') return now;
    const epoch = now.value.epoch;
    if (epoch?.modRevision !== order.epochModRevision)
      return refused('overtaken', `the store is at epoch ${epoch?.value.n ?? 0}, the order is of epoch ${order.epoch}`);
    if (status.state !== 'standby') return refused('not-standby', `PostgreSQL is ${status.state}`);
    // I1: a database that knows as much as this takeover, or another cluster, takes no part in it.
    if ((status.storedEpoch ?? 0) >= order.epoch)
      return refused('store-behind', `this database has seen epoch ${status.storedEpoch}`);
    if (status.systemId !== epoch.value.systemId)
      return refused('data-foreign', `this data has system id ${status.systemId}`);
    if (otherBranch !== null) return refused(otherBranch.code, otherBranch.text);
    if (!permit.valid()) return refused('overtaken', 'newer work was accepted before the detach');
    const detached = await this.#database.detach();
    if (detached.kind === 'done') this.#detached = { epoch: order.epoch, position: detached.value };
    return detached;
  }

  /**
   * On the target of a planned move, whose primary closed its door: as soon as the stream ends, which a fast stop does when all is here, and while
   * that one's end is still being proven. The order to detach, which comes next, finds it so; until then `goesOn` may call it off.
   */
  async cutOff(permit: Permit, goesOn: () => boolean): Promise<Outcome<unknown>> {
    const untilMs = this.#clock.nowMs() + STREAM_END_MS_MAX;
    while (permit.valid() && goesOn() && this.#clock.nowMs() < untilMs) {
      const { state, receiving } = await this.#database.status();
      if (state !== 'standby') return refused('not-standby', `PostgreSQL is ${state}`);
      if (!receiving && permit.valid() && goesOn()) return this.#database.detach();
      await this.#clock.sleep(STREAM_LOOK_EVERY_MS);
    }
    return done(undefined);
  }

  /** P8.2: follows the primary when the local WAL is on its branch; what a diverged node holds alone is saved, then it is made again. */
  async join(
    { do: what, primary, epoch }: Join,
    otherBranch: Reason | null,
    about: Circumstances,
  ): Promise<Outcome<void>> {
    const { permit } = about;
    if (otherBranch?.code === 'given-up') return this.#begin(await this.#remake.keepWhole(otherBranch, epoch, permit));
    const again = what === 'join-again';
    const upstream = upstreamOf(this.#config, primary, epoch);
    if (upstream === null) return refused('no-address', `${primary} has no address here`);
    const isCopy = this.#cloned?.node === primary && this.#cloned.epoch === epoch;
    const isBefore = this.#detached?.epoch === epoch && this.#isBeforeTheFork(upstream, this.#detached.position);
    if (again || !(isCopy || isBefore)) {
      const compared = await this.#compare(upstream, permit, again);
      if (compared.kind !== 'done') return compared;
      if (compared.value === 'diverged') return this.#begin(await this.#remake.diverged(upstream, about), upstream);
      if (compared.value === 'behind') return this.#begin(await this.#remake.behind(upstream, about), upstream);
    }
    if (!permit.valid()) return refused('overtaken', 'newer work was accepted before following');
    const followed = await this.#database.follow(upstream);
    if (followed.kind !== 'done') return followed;
    this.#detached = null;
    this.#cloned = null;
    // A standby keeps a list of its own possible reign, so that PostgreSQL's shared "somebody must confirm" is already set
    // when it is promoted: a backend that starts right after would otherwise not wait. `proveWaits` shows that it is.
    return this.#setList(this.#ownList(epoch));
  }

  /** What was made again starts isolated; a copy needs no comparison with whom it is of. An empty directory is cloned into next. */
  async #begin(remade: Outcome<Remade>, from?: Upstream): Promise<Outcome<void>> {
    if (remade.kind !== 'done') return remade;
    if (remade.value === 'empty') return done(undefined);
    const started = await this.startIsolated();
    if (started.kind === 'done' && remade.value === 'copied' && from !== undefined)
      this.#cloned = { node: from.node, epoch: from.epoch };
    return started;
  }

  #ownList(epoch: number): SyncList {
    const own = reignList(this.#config.policy, this.#config.node, () => true);
    return { epoch, w: own.w, names: own.names };
  }

  /**
   * Before a planned move to this node, while the old primary still serves: the list of the reign that is to come is set and proven, and
   * what was replayed is written to disk, so that the checkpoint after the promotion is short. Without it the promotion does the same, later.
   */
  async prepare(epoch: number, isReachable: (node: NodeId) => boolean, permit: Permit): Promise<Outcome<void>> {
    const { w, names } = reignList(this.#config.policy, this.#config.node, isReachable);
    const list = { epoch, w, names };
    this.#waitsProven = false;
    const set = await this.#setList(list);
    if (set.kind !== 'done') return set;
    // An empty list proves nothing about who waits; shown, it need not be set again.
    const prove = w === 0 ? [] : (['in-force'] as const);
    const proof = this.#database.settleSyncList(list, prove, this.#config.knobs.barrierTimeoutMs);
    const proven = await unlessOvertaken(permit, proof);
    if (proven.kind !== 'done') return proven;
    this.#prepared = list;
    this.#waitsProven = w > 0;
    return w === 0 ? unlessOvertaken(permit, this.#database.checkpoint()) : proven;
  }

  /** Was PostgreSQL shown to have exactly this list, and given no other since? */
  isPrepared({
    epoch,
    w,
    names,
  }: {
    readonly epoch: number;
    readonly w: number;
    readonly names: readonly NodeId[];
  }): boolean {
    const list = this.#prepared;
    return list !== null && list.epoch === epoch && list.w === w && list.names.join() === names.join();
  }

  #setList(list: SyncList): Promise<Outcome<void>> {
    this.#prepared = null;
    return this.#database.setSyncList(list);
  }

  /**
   * The takeover itself read the target, detached: nothing came to it between that and its promotion. On the same timeline, which
   * one primary wrote, not being beyond that position is not being beyond the fork.
   */
  #isBeforeTheFork({ node, epoch }: Upstream, mine: Position): boolean {
    const fence: FenceRecord | null = this.#group.view().fence;
    const target = fence?.epoch === epoch ? fence.evidence.find((e) => e.node === node) : undefined;
    if (target === undefined) return false;
    return mine.timeline === target.timeline && compareLsn(mine.lsn, target.lsn) <= 0;
  }

  async #compare(
    upstream: Upstream,
    permit: Permit,
    again: boolean,
  ): Promise<Outcome<'same-branch' | 'behind' | 'diverged'>> {
    const isolated = await this.#database.detach();
    if (isolated.kind !== 'done') return isolated;
    if (!(await this.#replayedItsOwn(permit)))
      return unknown('the local WAL is still being replayed: its end is not known yet');
    // Read again, now that it is the end: one that was stopped by order has what the target has, and asks nobody.
    const end = again ? null : await this.#database.detach();
    if (end?.kind === 'done' && this.#isBeforeTheFork(upstream, end.value)) return done('same-branch');
    const compared = await unlessOvertaken(permit, this.#database.compareWith(upstream));
    if (compared.kind !== 'done') return compared;
    if (compared.value.verdict === 'foreign') return refused('data-foreign', compared.value.why);
    if (compared.value.verdict !== 'same-branch') this.#log.warn(compared.value.verdict, compared.value.why);
    return done(compared.value.verdict);
  }

  async #replayedItsOwn(permit: Permit): Promise<boolean> {
    const untilMs = this.#clock.nowMs() + 5_000;
    while (permit.valid() && this.#clock.nowMs() < untilMs) {
      const status = await this.#database.status();
      if (status.localWalReplayed) return true;
      await this.#clock.sleep(20);
    }
    return false;
  }

  /** Was PostgreSQL, since its start, shown to have noted that somebody must confirm? */
  get waitsProven(): boolean {
    return this.#waitsProven;
  }

  /** For one attempt to promote: its list may be an empty one, which PostgreSQL reads after the attempt has failed (P4.1b). */
  consumeProof(): boolean {
    const proven = this.#waitsProven;
    this.#waitsProven = false;
    return proven;
  }

  /** The proof, off the way of everything urgent: an order of a newer epoch does not wait for its end. */
  async proveWaits(epoch: number, permit: Permit): Promise<Outcome<void>> {
    const list = this.#ownList(epoch);
    // It is set already, unless this node was prepared for a reign that did not come.
    const set = await this.#setList(list);
    if (set.kind !== 'done') return set;
    const proof = this.#database.settleSyncList(list, ['in-force'], this.#config.knobs.barrierTimeoutMs);
    const proven = await unlessOvertaken(permit, proof);
    this.#waitsProven = proven.kind === 'done';
    return proven;
  }

  /** Nothing is proven of a PostgreSQL that was started anew. */
  #startAnew(): Promise<Outcome<void>> {
    this.#waitsProven = false;
    this.#prepared = null;
    this.#cloned = null;
    return this.#database.startIsolated();
  }

  async startIsolated(): Promise<Outcome<void>> {
    const started = await this.#startAnew();
    // A rewind that was interrupted: what the data held alone was saved before it began. It is cloned.
    return started.kind === 'refused' && started.code === 'half-rewound'
      ? this.#remake.setAside('half-rewound')
      : started;
  }

  async clone(from: NodeId, epoch: number, permit: Permit, progress: Progress): Promise<Outcome<void>> {
    const upstream = upstreamOf(this.#config, from, epoch);
    if (upstream === null) return refused('no-address', `${from} has no address here`);
    const copied = await this.#database.clone(upstream, progress, permit.signal);
    if (copied.kind !== 'done') return copied;
    if (!permit.valid()) return refused('overtaken', 'newer work was accepted during the copy');
    const started = await this.startIsolated();
    if (started.kind === 'done') this.#cloned = { node: from, epoch };
    return started;
  }

  /** This node's reign is over: everything is killed first, then it starts as an isolated standby (P8.1). */
  async demote(): Promise<Outcome<void>> {
    const stopped = await this.#database.stop('kill');
    if (stopped.kind !== 'done') return stopped;
    return this.startIsolated();
  }
}
