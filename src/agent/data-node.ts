import type { NodeId } from '../base/ids.ts';
import { compareLsn } from '../base/lsn.ts';
import { because, type Reason } from '../base/reason.ts';
import { done, type Outcome, refused } from '../base/result.ts';
import { decideMembership } from '../decide/failover/membership.ts';
import type { Observation } from '../decide/failover/observation.ts';
import { confirmersFor, reignList } from '../decide/failover/positioning.ts';
import { decideRole, type RoleAction } from '../decide/failover/role.ts';
import type { Order, OrderReply } from '../ports/agent.ts';
import type { DatabaseStatus, Position, RegionDatabase } from '../ports/database.ts';
import type { AgentDeps } from './context.ts';
import type { GroupStore } from './group-store.ts';
import { put } from './group-store.ts';
import { Heartbeat } from './heartbeat.ts';
import { publishPosition, ReignLease } from './lease.ts';
import { OrderDesk, type Permit } from './order-desk.ts';
import { bootstrapJournal, promoteSelf, publishRoutes, type Reign, writeFirstRecords } from './reign.ts';
import { StandbyDuty } from './standby.ts';
import { SyncSet } from './sync-set.ts';

/** One node's PostgreSQL in the hands of its agent: role, reign, sync set, orders. Decisions come from decide/failover. */
export class DataNode {
  readonly #deps: AgentDeps;
  readonly #me: NodeId;
  readonly #database: RegionDatabase;
  readonly #group: GroupStore;
  readonly #duty: StandbyDuty;
  readonly #syncSet: SyncSet;
  readonly #onChange: () => void;
  readonly desk = new OrderDesk();
  readonly heartbeat: Heartbeat;
  readonly lease: ReignLease;
  #reign: Reign | null = null;
  #open = false;
  #opening = false;
  #changing = false;
  #notReceivingSinceMs: number | null = null;
  #positionAtMs = 0;
  #progress = '';
  #retryAtMs = 0;
  roleWhy: Reason = because('starting', 'the agent has just started');
  membershipWhy: Reason = because('none', 'not the primary');

  constructor(deps: AgentDeps, database: RegionDatabase, group: GroupStore, onChange: () => void) {
    this.#deps = deps;
    this.#me = deps.config.node;
    this.#database = database;
    this.#group = group;
    this.#onChange = onChange;
    const { clock, config, log } = deps;
    this.#duty = new StandbyDuty(config, database, group, clock, log);
    this.#syncSet = new SyncSet(database, group, config.knobs);
    this.heartbeat = new Heartbeat(database, clock, config.knobs.heartbeatEveryMs);
    this.lease = new ReignLease(deps.store, group, clock, config.knobs.leaseTtlMs, log);
  }

  /** The gateway is open to writers under the present epoch. */
  get open(): boolean {
    return this.#open;
  }

  get reign(): Reign | null {
    return this.#reign;
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
    this.#noteReceiving(local, o.nowMs);
    this.#closeWhenOver(o, local);
    const role = decideRole(o, local, this.#open, this.#notReceivingSinceMs);
    if (this.desk.busy === null) this.roleWhy = role.why;
    if (role.action !== null && this.desk.busy === null && !this.#opening && o.nowMs >= this.#retryAtMs)
      this.#perform(role.action, o, local);
    if (this.#open) this.#tendReign(o, local);
  }

  #noteReceiving(local: DatabaseStatus, nowMs: number): void {
    if (local.state !== 'standby' || local.upstream === null || local.receiving) this.#notReceivingSinceMs = null;
    else this.#notReceivingSinceMs ??= nowMs;
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
    this.#open = false;
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
      .run(epoch, action.do, (permit) => this.#carryOut(action, permit))
      .then((ended) => this.#ended(action.do, ended));
  }

  #ended(what: string, ended: Outcome<unknown>): void {
    this.#progress = '';
    if (ended.kind !== 'done') {
      this.roleWhy = because(ended.kind === 'refused' ? ended.code : 'unknown', `${what}: ${ended.why}`);
      this.#deps.log.warn('role-step', `${what} ended ${ended.kind}: ${ended.why}`);
      this.#retryAtMs = this.#deps.clock.nowMs() + 250;
    } else this.#deps.log.info('role-step', `${what} done`);
    this.#onChange();
  }

  async #carryOut(action: Exclude<RoleAction, { do: 'finish' }>, permit: Permit): Promise<Outcome<unknown>> {
    switch (action.do) {
      case 'bootstrap':
        return this.#bootstrap(action.resume);
      case 'start-isolated':
        return this.#database.startIsolated();
      case 'demote':
        this.#endReign();
        return this.#duty.demote();
      case 'clone':
        return this.#duty.clone(action.from, action.epoch, permit, (text) => {
          this.#progress = text;
        });
      case 'join':
        return this.#duty.join(action.primary, action.epoch, permit);
    }
  }

  /** The first database of the group. Every step may be repeated after a crash. */
  async #bootstrap(resume: boolean): Promise<Outcome<void>> {
    const before = await this.#database.status();
    if (before.state === 'empty' && resume)
      return refused(
        'data-missing',
        'the store says that this node made the first database, and its data directory is empty',
      );
    if (before.state === 'empty') {
      const made = await this.#database.init((text) => {
        this.#progress = text;
      });
      if (made.kind !== 'done') return made;
      const wrote = await writeFirstRecords(this.#group, this.#me, made.value.systemId);
      if (wrote.kind !== 'done') return wrote;
    } else if (!resume) {
      if (before.systemId === null)
        return refused('no-system-id', 'the data directory has no readable system identifier');
      const wrote = await writeFirstRecords(this.#group, this.#me, before.systemId);
      if (wrote.kind !== 'done') return wrote;
    }
    // Nobody else has the data yet: whoever may serve alone does so until the first copy is made.
    const list = reignList(this.#deps.config.policy, this.#me, () => false);
    const started = await this.#database.startFirst(1, { epoch: 1, w: list.w, names: list.names });
    if (started.kind !== 'done') return started;
    const now = await this.#group.readReign();
    if (now.kind !== 'done') return now;
    const { epoch } = now.value;
    if (epoch === null) return refused('no-epoch', 'the first epoch is not in the store');
    const status = await this.#database.status();
    const { keys } = this.#group;
    await this.#openReign(
      { epoch: 1, epochModRevision: epoch.modRevision, beganAtLsn: status.endLsn ?? '0/0' },
      'the first primary',
      true,
    );
    const wrote = await this.#group.write(
      [{ key: keys.epoch, modRevision: epoch.modRevision }],
      [put(keys.journal('bootstrap-1'), bootstrapJournal(this.#me, 'done'))],
      'the journal',
    );
    return wrote.kind === 'done' ? done(undefined) : wrote;
  }

  /** An order of a takeover, from any driver (P5). */
  async obey(order: Order): Promise<OrderReply> {
    const beganAtMs = this.#deps.clock.nowMs();
    const ended = await this.desk.run<Position>(order.epoch, order.do, (permit) =>
      order.do === 'detach' ? this.#duty.detach(order, permit) : this.#promote(order, permit),
    );
    this.#onChange();
    if (ended.kind === 'done')
      return { kind: 'done', position: ended.value, tookMs: this.#deps.clock.nowMs() - beganAtMs };
    this.#deps.log.warn('order', `${order.do} of epoch ${order.epoch} ended ${ended.kind}: ${ended.why}`);
    return ended;
  }

  async #promote(order: Extract<Order, { do: 'promote' }>, permit: Permit): Promise<Outcome<Position>> {
    const promoted = await promoteSelf(this.#me, this.#database, this.#group, order, permit);
    if (promoted.kind !== 'done') return promoted;
    const reign: Reign = {
      epoch: order.epoch,
      epochModRevision: order.epochModRevision,
      beganAtLsn: promoted.value.lsn,
    };
    // I5: a primary that was restarted shows rows whose commit nobody confirmed; `finish` opens it once the set has them.
    if (order.restarted && order.w > 0) {
      this.#syncSet.beganHere();
      this.#reign = reign;
    } else await this.#openReign(reign, `takeover ${order.operation}`, true);
    return promoted;
  }

  async #openReign(reign: Reign, why: string, beganHere: boolean): Promise<void> {
    if (beganHere) this.#syncSet.beganHere();
    else this.#syncSet.found();
    this.#reign = reign;
    this.#open = true;
    this.heartbeat.start();
    this.lease.start(this.#me, reign.epoch, reign.epochModRevision);
    this.#onChange();
    const published = await publishRoutes(this.#group, this.#deps.config.policy, this.#me, reign, why);
    if (published.kind !== 'done')
      this.#deps.log.warn('routes', `the route table of epoch ${reign.epoch} was not written: ${published.why}`);
    this.#deps.log.info('open', `open as primary of epoch ${reign.epoch} (${why})`);
  }

  /** Promoted under the store's epoch and named in the record, but closed: after a restart of the agent, or waiting for I5. */
  async #finish(o: Observation, local: DatabaseStatus, epoch: number): Promise<void> {
    if (!this.#caughtUp(o, local)) {
      this.roleWhy = because(
        'waits-for-set',
        'restarted as primary: closed to clients until the sync set has caught up (I5)',
      );
      return;
    }
    this.#opening = true;
    try {
      const now = await this.#group.readReign();
      const stands =
        now.kind === 'done' && now.value.epoch?.value.n === epoch && now.value.sync?.value.primary === this.#me;
      if (!stands || now.value.epoch === null) return;
      const known = this.#reign?.epoch === epoch;
      const beganAtLsn = this.#reign?.beganAtLsn ?? local.endLsn ?? '0/0';
      await this.#openReign(
        { epoch, epochModRevision: now.value.epoch.modRevision, beganAtLsn },
        'finished by the node itself',
        known,
      );
    } finally {
      this.#opening = false;
    }
  }

  #caughtUp(o: Observation, local: DatabaseStatus): boolean {
    const list = local.syncList;
    if (o.store.fence?.kind !== 'self' || list === null || list.w === 0) return true;
    const began = this.#reign?.beganAtLsn ?? local.endLsn;
    const caught = local.standbys.filter(
      (s) => list.names.includes(s.node) && s.flushLsn !== null && began !== null && compareLsn(s.flushLsn, began) >= 0,
    );
    return caught.length >= list.w;
  }

  #tendReign(o: Observation, local: DatabaseStatus): void {
    const reign = this.#reign;
    const record = o.store.sync;
    if (reign === null || record === null || local.state !== 'primary' || record.value.epoch !== reign.epoch) return;
    // The table of this reign must be in the store: planes and observers tell by it that the reign began.
    if (o.store.routesEpoch < reign.epoch && o.nowMs - this.#positionAtMs > 1_000) {
      void publishRoutes(this.#group, this.#deps.config.policy, this.#me, reign, 'written again');
    }
    this.#publishPosition(o, local, reign);
    const view = this.#syncSet.look(this.#deps.config.policy, this.#me, reign, record.value, local, o.nowMs);
    if (view === null || this.#changing) return;
    const decision = decideMembership(view);
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

  #publishPosition(o: Observation, local: DatabaseStatus, reign: Reign): void {
    if (o.nowMs - this.#positionAtMs < 1_000 || local.timeline === null || o.store.sync === null) return;
    const { w, names } = o.store.sync.value;
    const flushed = local.standbys.flatMap((s) => (names.includes(s.node) && s.flushLsn !== null ? [s.flushLsn] : []));
    const confirmed = flushed.toSorted(compareLsn).at(-w);
    this.#positionAtMs = o.nowMs;
    if (w > 0 && flushed.length >= w && confirmed !== undefined)
      void publishPosition(this.#group, reign.epochModRevision, reign.epoch, local.timeline, confirmed);
  }

  /** How this node stands in the record, for status. */
  syncRole(o: Observation): 'solo' | 'confirms' | 'async' | 'primary' | 'none' {
    const record = o.store.sync?.value;
    if (record === undefined) return 'none';
    if (record.primary === this.#me) return record.w === 0 ? 'solo' : 'primary';
    if (record.names.includes(this.#me)) return 'confirms';
    return confirmersFor(this.#deps.config.policy, record.primary).includes(this.#me) ? 'async' : 'none';
  }

  close(): void {
    this.#endReign();
  }
}
