import type { NodeId } from '../base/ids.ts';
import { because, type Reason } from '../base/reason.ts';
import { done, type Outcome, refused } from '../base/result.ts';
import { ownOtherBranch } from '../decide/failover/branch.ts';
import { decideCandidates } from '../decide/failover/candidates.ts';
import { whyKept } from '../decide/failover/kept.ts';
import { decideMembership } from '../decide/failover/membership.ts';
import type { Observation } from '../decide/failover/observation.ts';
import { decideRole, type RoleAction } from '../decide/failover/role.ts';
import type { Order, OrderReply } from '../ports/agent.ts';
import type { DatabaseStatus, Position, Progress, RegionDatabase, Salvage, Settings } from '../ports/database.ts';
import type { AgentDeps } from './context.ts';
import type { GroupStore } from './group-store.ts';
import { closeBootstrap, makeFirstDatabase } from './bootstrap.ts';
import { Arrival, expectedHere } from './arrival.ts';
import { HandedOver, type Stopped, handOver, replyOf } from './hand-over.ts';
import { Heartbeat } from './heartbeat.ts';
import { arm, leaseDuty, StandBackPromise } from './attest.ts';
import { ReignLease } from './lease.ts';
import { ReceiverWatch } from './receiver-watch.ts';
import { Retry } from './retry.ts';
import { OrderDesk, type Permit } from './order-desk.ts';
import { progressText } from './progress.ts';
import { Publisher } from './publisher.ts';
import { hasCaughtUp, promoteSelf, publishRoutes, type Reign } from './reign.ts';
import { SalvageSlot } from './salvage-slot.ts';
import { StandbyDuty } from './standby.ts';
import { SyncSet } from './sync-set.ts';

const SETTINGS_EVERY_MS = 5_000;

/** One node's PostgreSQL in the hands of its agent: role, reign, sync set, orders. Decisions come from decide/failover. */
export class DataNode {
  readonly #deps: AgentDeps;
  readonly #me: NodeId;
  readonly #database: RegionDatabase;
  readonly #group: GroupStore;
  readonly #duty: StandbyDuty;
  readonly #syncSet: SyncSet;
  readonly #onChange: () => void;
  readonly #onDoor: () => void;
  readonly desk = new OrderDesk();
  readonly heartbeat: Heartbeat;
  readonly lease: ReignLease;
  readonly #slot: SalvageSlot;
  readonly #publisher: Publisher;
  /** P6: until when this node stands back. */
  readonly promise: StandBackPromise;
  #reign: Reign | null = null;
  #open = false;
  #closing = false;
  readonly #handed = new HandedOver();
  readonly #arrival: Arrival;
  /** The epoch of the last reign that this very process ended; null before. */
  #endedEpoch: number | null = null;
  #opening = false;
  #changing = false;
  readonly #receiver = new ReceiverWatch();
  #progress = '';
  /** The last look. */
  #seen: Observation | null = null;
  readonly #retry = new Retry();
  /** Why this node's WAL is on another branch than the primary's (I10): it takes part in nothing. Null when it is not. */
  otherBranch: Reason | null = null;
  /** What must be the same on every node (I9), as it was read last. */
  settings: Settings | null = null;
  #settingsDueMs = 0;
  roleWhy: Reason = because('starting', 'the agent has just started');
  membershipWhy: Reason = because('none', 'not the primary');

  constructor(
    deps: AgentDeps,
    database: RegionDatabase,
    group: GroupStore,
    on: { readonly change: () => void; readonly door: () => void },
  ) {
    this.#deps = deps;
    this.#me = deps.config.node;
    this.#database = database;
    this.#group = group;
    this.#onChange = on.change;
    this.#onDoor = on.door;
    const { clock, config, log } = deps;
    this.#duty = new StandbyDuty(config, database, group, clock, log);
    this.#arrival = new Arrival(this.#duty, this.desk, (step, ended) => this.#ended(step, ended));
    this.#syncSet = new SyncSet(database, group, config.knobs, config.policy.mode);
    this.#slot = new SalvageSlot(database, log);
    this.heartbeat = new Heartbeat(database, clock, config.knobs.heartbeatEveryMs);
    this.#publisher = new Publisher(deps.config.node, group, config.policy);
    this.promise = new StandBackPromise(clock.nowMs(), config.knobs.leaseTtlMs);
    const duty = leaseDuty(deps, database, () => this.#commits());
    this.lease = new ReignLease(deps.store, group, clock, config.knobs.leaseTtlMs, log, this.#isAsync ? duty : null);
  }

  get #isAsync(): boolean {
    return this.#deps.config.policy.mode === 'async';
  }

  /** Async: past this nothing more may be answered (P2.3). */
  get deadlineMs(): number {
    return Math.min(this.lease.deadlineMs ?? 0, this.#syncSet.vouchedUntilMs);
  }

  /** A primary whose commits hang gives its lease up; one whose commits are held back by the file's guard does not. */
  #commits(): boolean {
    return !this.#open || this.#syncSet.isListed || this.heartbeat.ageMs() < this.#deps.config.knobs.wedgedAfterMs;
  }

  /** The gateway is open to writers under the present epoch. */
  get open(): boolean {
    return this.#open;
  }

  /** New writers wait and sessions end with their transaction: the primary hands over. */
  get closing(): boolean {
    return this.#closing;
  }

  get reign(): Reign | null {
    return this.#reign;
  }

  get endedEpoch(): number | null {
    return this.#endedEpoch;
  }

  /** What this node held alone at any time, and where it was saved. */
  get salvages(): readonly Salvage[] {
    return this.#duty.salvages;
  }

  /** What a long step is doing (a base backup), for status; empty when nothing long runs. */
  get progress(): string {
    return this.#progress;
  }

  status(): Promise<DatabaseStatus> {
    return this.#database.status();
  }

  /** One look: what to do with the role, and as open primary with the sync set. Starts at most one change of each. */
  tick(o: Observation, local: DatabaseStatus): void {
    this.#seen = o;
    // A long copy from the primary of an old epoch ends, also where no order of the takeover comes.
    if (o.store.epoch !== null) this.desk.overtake(o.store.epoch.value.n);
    this.#receiver.see(local, o.nowMs);
    this.#closeWhenOver(o, local);
    this.otherBranch = ownOtherBranch(o, local);
    this.#readSettings(local, o.nowMs);
    const role = decideRole(o, local, this.#open, this.#receiver.silentSinceMs);
    if (this.desk.busy === null) this.roleWhy = this.#retry.explain(role.action?.do, role.why);
    const free = this.desk.busy === null && !this.#opening && !this.#handed.staysStopped(o);
    if (role.action !== null && free && this.#retry.isDue(o.nowMs)) this.#perform(role.action, o, local);
    this.#arrival.tick(o, local);
    this.#proveWaits(role.why.code, o);
    this.#tendReign(o, local);
  }

  /** Once per start of PostgreSQL, when there is nothing else to do: see `StandbyDuty.proveWaits`. */
  #proveWaits(role: string, o: Observation): void {
    if (
      this.#isAsync ||
      role !== 'following' ||
      this.#duty.waitsProven ||
      this.desk.busy !== null ||
      !this.#retry.isDue(o.nowMs) ||
      expectedHere(o) !== null
    )
      return;
    const epoch = o.store.epoch?.value.n ?? 0;
    void this.desk
      .run(epoch, 'prove-waits', (permit) => this.#duty.proveWaits(epoch, permit))
      .then((ended) => this.#ended('prove-waits', ended));
  }

  #readSettings(local: DatabaseStatus, nowMs: number): void {
    if (nowMs < this.#settingsDueMs || (local.state !== 'standby' && local.state !== 'primary')) return;
    this.#settingsDueMs = nowMs + SETTINGS_EVERY_MS;
    void this.#database.settings().then((read) => {
      if (read.kind === 'done') this.settings = read.value;
    });
  }

  /**
   * The gateway closes as soon as this node knows that its reign is over, before PostgreSQL is even stopped. A PostgreSQL
   * that does not answer a look in time (`starting`) says nothing of that kind: whether it serves, the heartbeat tells.
   */
  #closeWhenOver(o: Observation, local: DatabaseStatus): void {
    if (this.#reign === null) return;
    const { epoch } = o.store;
    const gone = local.state === 'standby' || local.state === 'stopped' || local.state === 'empty';
    if (gone || (epoch !== null && epoch.value.n > this.#reign.epoch)) this.#endReign();
  }

  #endReign(): void {
    this.#endedEpoch = this.#reign?.epoch ?? this.#endedEpoch;
    this.#open = false;
    this.#closing = false;
    this.#reign = null;
    this.heartbeat.stop();
    this.lease.stop();
    this.membershipWhy = because('none', 'not the primary');
  }

  #perform(action: RoleAction, o: Observation, local: DatabaseStatus): void {
    const epoch = o.store.epoch?.value.n ?? 0;
    if (action.do === 'finish') {
      void this.#finish(o, local, action.epoch);
      return;
    }
    void this.desk
      .run(epoch, action.do, (permit) => this.#carryOut(action, o, permit))
      .then((ended) => this.#ended(action.do, ended));
  }

  #ended(step: string, ended: Outcome<unknown>): void {
    this.#progress = '';
    const times = this.#retry.note(step, ended, this.#deps.clock.nowMs());
    if (ended.kind === 'done') this.#deps.log.info('role-step', `${step} done`);
    else this.#deps.log.warn('role-step', `${step} ended ${ended.kind}: ${ended.why}`, { times });
    this.#onChange();
  }

  async #carryOut(
    action: Exclude<RoleAction, { do: 'finish' }>,
    o: Observation,
    permit: Permit,
  ): Promise<Outcome<unknown>> {
    switch (action.do) {
      case 'bootstrap':
        return this.#bootstrap();
      case 'start-isolated':
        return this.#duty.startIsolated();
      case 'demote':
        this.#endReign();
        return this.#duty.demote();
      case 'clone':
        return this.#duty.clone(action.from, action.epoch, permit, this.#report);
      case 'join':
      case 'join-again':
        return this.#duty.join(action, this.otherBranch, {
          permit,
          progress: this.#report,
          whyKept: (record) => whyKept(this.#seen ?? o, record),
        });
    }
  }

  readonly #report: Progress = (text, doneBytes, totalBytes) => {
    this.#progress = progressText(text, doneBytes, totalBytes);
  };

  async #bootstrap(): Promise<Outcome<void>> {
    const begun = await makeFirstDatabase(this.#me, this.#database, this.#group, this.#deps.config.policy, (text) => {
      this.#progress = text;
    });
    if (begun.kind !== 'done') return begun;
    if (begun.value !== null) await this.#openReign(begun.value, 'the first primary', false);
    return closeBootstrap(this.#me, this.#group);
  }

  /** An order of a takeover, from any driver (P5). */
  async obey(order: Order): Promise<OrderReply> {
    const beganAtMs = this.#deps.clock.nowMs();
    const ended = await this.desk.run<Stopped>(order.epoch, order.do, (permit) => this.#carryOutOrder(order, permit));
    this.#onChange();
    if (ended.kind === 'done') return replyOf(ended.value, beganAtMs, this.#deps.clock.nowMs());
    this.#deps.log.warn('order', `${order.do} of epoch ${order.epoch} ended ${ended.kind}: ${ended.why}`);
    return ended;
  }

  async #carryOutOrder(order: Order, permit: Permit): Promise<Outcome<Stopped>> {
    if (order.do === 'hand-over') return this.#handOver(order, permit);
    const ended =
      order.do === 'detach'
        ? await this.#duty.detach(order, permit, this.otherBranch)
        : await this.#promote(order, permit);
    return ended.kind === 'done' ? done({ position: ended.value, evidence: '' }) : ended;
  }

  async #handOver(order: Order, permit: Permit): Promise<Outcome<Stopped>> {
    const { clock, gateway } = this.#deps;
    const before = this.#handed.stoppedFor(order);
    if (before !== null) return done(before);
    const node = { me: this.#me, database: this.#database, gateway, group: this.#group, clock };
    const isOpen = () => this.#open;
    const ended = await handOver({ ...node, isOpen, door: (state) => this.#door(state) }, order, permit);
    if (ended.kind === 'done') this.#handed.note(order, clock.nowMs(), ended.value);
    return ended;
  }

  #door(state: 'closing' | 'closed' | 'open'): void {
    if (state === 'closed') this.#endReign();
    else this.#closing = state === 'closing';
    this.#onDoor();
  }

  async #promote(order: Extract<Order, { do: 'promote' }>, permit: Permit): Promise<Outcome<Position>> {
    const { policy, knobs } = this.#deps.config;
    const stoodBack = order.fence !== 'killed' && order.fence !== 'self';
    if (this.#isAsync && stoodBack && this.#deps.clock.nowMs() < this.promise.untilMs)
      return refused('promised', 'this node has promised to stand back for a while yet (P6)');
    // Asked for while PostgreSQL is promoted: nothing is answered before the first deadline is known.
    if (this.#isAsync) this.lease.start(this.#me, order.epoch, order.epochModRevision);
    const waitsProven = this.#duty.consumeProof();
    // `block`: nothing is acknowledged alone, not even until a PostgreSQL that has just started has read its list (I4).
    const unproven = order.w > 0 && policy.whenAlone === 'block' && !waitsProven;
    const barrierTimeoutMs = unproven ? knobs.barrierTimeoutMs : null;
    const how = { clock: this.#deps.clock, barrierTimeoutMs, prepared: this.#duty.isPrepared(order) };
    const promoted = await promoteSelf(this.#me, this.#database, this.#group, order, permit, how);
    if (promoted.kind !== 'done') {
      this.lease.stop();
      return promoted;
    }
    const { epoch, epochModRevision } = order;
    const reign: Reign = { epoch, epochModRevision, beganAtLsn: promoted.value.lsn };
    this.#syncSet.beganHere(waitsProven);
    this.#reign = reign;
    // I5: a primary that was restarted shows rows whose commit nobody confirmed; `finish` opens it once the set has them.
    if (!order.restarted || order.w === 0) await this.#openReign(reign, `takeover ${order.operation}`, true);
    return promoted;
  }

  /** `known`: this agent saw the reign begin. One that was found has lists in force that nobody remembers (P4.1c). */
  async #openReign(reign: Reign, why: string, known: boolean): Promise<void> {
    if (!known) this.#syncSet.found();
    this.#reign = reign;
    this.lease.start(this.#me, reign.epoch, reign.epochModRevision);
    const armed = this.#isAsync ? await arm(this.#database, this.lease) : null;
    if (armed !== null) this.#retry.note('finish', armed, this.#deps.clock.nowMs());
    if ((armed !== null && armed.kind !== 'done') || this.#reign !== reign) return;
    this.#open = true;
    // Before the table is made: it says by the heartbeat how long this node may answer (P2.3).
    this.heartbeat.start();
    this.#onDoor();
    const published = await publishRoutes(this.#group, this.#deps.config.policy, this.#me, reign, why);
    if (published.kind !== 'done')
      this.#deps.log.warn('routes', `the route table of epoch ${reign.epoch} was not written: ${published.why}`);
    this.#deps.log.info('open', `open as primary of epoch ${reign.epoch} (${why})`);
  }

  /** Promoted under the store's epoch and named in the record, but closed: after a restart of the agent, or waiting for I5. */
  async #finish(o: Observation, local: DatabaseStatus, epoch: number): Promise<void> {
    if (this.#reign?.epoch === epoch && !hasCaughtUp(o, local, this.#reign)) {
      this.roleWhy = because(
        'waits-for-set',
        'restarted as primary: closed to clients until the sync set has caught up (I5)',
      );
      return;
    }
    this.#opening = true;
    try {
      const now = await this.#group.readReign();
      if (now.kind !== 'done' || now.value.epoch === null) return;
      const { epoch: stored, sync } = now.value;
      if (stored.value.n !== epoch || sync?.value.epoch !== epoch || sync.value.primary !== this.#me) return;
      const known = this.#reign?.epoch === epoch ? this.#reign : null;
      const reign = known ?? { epoch, epochModRevision: stored.modRevision, beganAtLsn: local.endLsn ?? '0/0' };
      if (known === null) this.#syncSet.found();
      this.#reign = reign;
      if (hasCaughtUp(o, local, reign)) await this.#openReign(reign, 'finished by the node itself', true);
    } finally {
      this.#opening = false;
    }
  }

  /** As primary, open or not yet: route table, position, and who must confirm. Only while the store answers (P4.2). */
  #tendReign(o: Observation, local: DatabaseStatus): void {
    const reign = this.#reign;
    const record = o.store.sync;
    if (reign === null || record === null || local.state !== 'primary' || record.value.epoch !== reign.epoch) return;
    if (o.store.state !== 'current') return;
    if (this.#open) this.#publisher.publish(o, local, reign);
    this.#slot.keep(record.value, local, o.nowMs);
    const view = this.#syncSet.look(this.#deps.config.policy, this.#me, reign, record.value, local, o.nowMs);
    if (view === null || this.#changing) return;
    const decision = this.#isAsync ? decideCandidates(view) : decideMembership(view);
    this.membershipWhy = decision.why;
    if (decision.change === null) return;
    this.#changing = true;
    const { change } = decision;
    void this.#syncSet
      .carryOut(change, this.#me, reign, record, view.configured)
      .then((ended) => {
        const text = `${change.path}: ${change.why.text}`;
        if (ended.kind === 'done') this.#deps.log.info('sync-set', text);
        else this.#deps.log.warn('sync-set', `${text}; ended ${ended.kind}: ${ended.why}`);
      })
      .finally(() => {
        this.#changing = false;
        this.#onChange();
      });
  }

  close(): void {
    this.#endReign();
  }
}
