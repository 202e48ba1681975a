import type { NodeId } from '../base/ids.ts';
import { because, type Reason } from '../base/reason.ts';
import { driftReason } from '../decide/failover/drift.ts';
import type { ActionResult, Observation } from '../decide/failover/observation.ts';
import { type Action, type FailoverState, STEADY } from '../decide/failover/state.ts';
import type { AttestAnswer, AttestAsked, Order, OrderReply, Pulse } from '../ports/agent.ts';
import type { DatabaseStatus } from '../ports/database.ts';
import { keysOf } from '../ports/records.ts';
import type { AgentDeps } from './context.ts';
import { DataNode } from './data-node.ts';
import { GatewayFeed } from './gateway-feed.ts';
import { GroupStore, put } from './group-store.ts';
import { Operations } from './operations.ts';
import { Peers } from './peers.ts';
import { pulseOf } from './pulse.ts';
import { TakeoverDriver } from './takeover-driver.ts';

/** A decision worth remembering: when it changed, what it was, and why. */
export interface Decided {
  readonly atWallMs: number;
  readonly about: 'failover' | 'role' | 'sync-set' | 'settings';
  readonly state: string;
  readonly why: Reason;
}

const DECISIONS_KEPT_MAX = 200;
const PAUSE_CHECK_MS = 50;
const STILL_GOOD_MS = 50;
const HAND_OVER_MS_MAX = 120_000;
/** P2.2: a jump of more than this counts as a pause. */
const PAUSE_MS_MIN = 100;

/**
 * The loop of one node: observe → decide → act. Events only wake it; every look reads everything once (design.md §2).
 * On a site it has no database: it observes and votes.
 */
export class Agent {
  readonly #deps: AgentDeps;
  readonly #me: NodeId;
  readonly #peers: Peers;
  readonly #driver: TakeoverDriver;
  readonly #gatewayFeed: GatewayFeed | null;
  readonly group: GroupStore;
  readonly data: DataNode | null;
  readonly operations: Operations;
  #state: FailoverState = STEADY;
  #results: ActionResult[] = [];
  #why: Reason = because('starting', 'the agent has just started');
  #local: DatabaseStatus | null = null;
  #wake: (() => void) | null = null;
  #running = true;
  #loop: Promise<void> | null = null;
  readonly #decided: Decided[] = [];
  readonly #decidedLast = new Map<Decided['about'], Decided>();
  readonly #pulseListeners = new Set<(pulse: Pulse) => void>();
  #observation: Observation | null = null;

  constructor(deps: AgentDeps) {
    this.#deps = deps;
    const { config, clock } = deps;
    this.#me = config.node;
    const wake = () => this.wake();
    this.group = new GroupStore(
      config.node,
      deps.store,
      keysOf(config.policy.deployment, config.policy.group),
      clock,
      config.knobs,
      wake,
    );
    this.#peers = new Peers(
      deps.network,
      config.peers.map((peer) => peer.node),
      clock,
      wake,
    );
    this.operations = new Operations(this.group, clock, () => (this.#observation === null ? null : this.#observe([])));
    const on = { change: wake, door: () => this.#feedGateway() };
    this.data = deps.database === null ? null : new DataNode(deps, deps.database, this.group, on);
    this.#gatewayFeed = deps.gateway === null ? null : new GatewayFeed(config, deps.gateway, clock);
    this.#driver = new TakeoverDriver(this.#me, config.policy.mode, this.group, clock, (node, order) =>
      this.#send(node, order),
    );
  }

  start(): void {
    this.group.start();
    this.#loop = Promise.all([this.#run(), this.#watchOwnPauses()]).then(() => undefined);
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.wake();
    await this.#loop;
    this.data?.close();
    this.#peers.close();
    this.group.close();
  }

  /** Something changed: look soon. Many wakes become one look. */
  wake(): void {
    this.#wake?.();
  }

  /** What the door is, is told at once; whatever else the table says is of the last look, and told again after the next. */
  #feedGateway(): void {
    if (this.data !== null && this.#local !== null)
      this.#gatewayFeed?.feed(this.#observe([]), this.#local, this.data, this.group.routes);
    this.wake();
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        await this.#tick();
      } catch (error) {
        this.#deps.log.warn(
          'tick',
          `a look failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      }
      await this.#rest(woken);
    }
  }

  /** Of a rest that is cut short the timer runs out by itself: less work than to call it off at every look. */
  #rest(woken: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      void woken.then(resolve);
      void this.#deps.clock.sleep(this.#deps.config.knobs.tickMs).then(resolve);
    });
  }

  async #tick(): Promise<void> {
    if (this.data !== null && !this.#isStillGood(this.#local)) this.#local = await this.data.status();
    const results = this.#results;
    this.#results = [];
    const o = this.#observe(results);
    this.#observation = o;
    const step = this.#deps.decide(this.#state, o);
    this.#remember('failover', step.state.kind, step.why, this.#state.kind !== step.state.kind);
    this.#state = step.state;
    this.#why = step.why;
    for (const action of step.actions) this.#perform(action);
    if (this.data !== null && this.#local !== null) {
      this.data.tick(o, this.#local);
      this.#remember('role', this.#local.state, this.data.roleWhy, false);
      if (o.settings !== null) this.#remember('settings', 'compared', driftReason(o), false);
      if (this.data.open) this.#remember('sync-set', 'primary', this.data.membershipWhy, false);
      this.#gatewayFeed?.feed(o, this.#local, this.data, this.group.routes);
    }
    this.#emitPulse();
  }

  /** The steps of a takeover that only wrote to the store changed nothing here: the look before them will do for the next step. */
  #isStillGood(local: DatabaseStatus | null): boolean {
    const isOfStore = ({ of }: ActionResult): boolean => of === 'begin-takeover' || of === 'record-takeover';
    if (local === null || this.#results.length === 0 || !this.#results.every(isOfStore)) return false;
    return this.#deps.clock.nowMs() - local.atMs < STILL_GOOD_MS;
  }

  /**
   * P2.2: a pause of this process looks like silence of everybody else, and is not. Measured by a timer of its own: a slow
   * look at PostgreSQL is no pause, and must not delay a verdict on others.
   */
  async #watchOwnPauses(): Promise<void> {
    while (this.#running) {
      const beforeMs = this.#deps.clock.nowMs();
      await this.#deps.clock.sleep(PAUSE_CHECK_MS);
      const pausedMs = this.#deps.clock.nowMs() - beforeMs - PAUSE_CHECK_MS;
      if (pausedMs > PAUSE_MS_MIN) this.#peers.forgive(pausedMs);
    }
  }

  #observe(results: readonly ActionResult[]): Observation {
    const { config, clock } = this.#deps;
    return {
      me: this.#me,
      nowMs: clock.nowMs(),
      policy: config.policy,
      knobs: config.knobs,
      store: this.group.view(),
      local: this.#local,
      settings: this.data?.settings ?? null,
      promisedUntilMs: this.data?.promise.untilMs ?? 0,
      peers: this.#peers.view(),
      results,
    };
  }

  #perform(action: Action): void {
    switch (action.do) {
      case 'publish-verdict':
        void this.#publishVerdict(action);
        return;
      case 'close-operation':
        void this.#driver.close(action);
        return;
      case 'close-request':
        void this.#driver.closeRequest(action);
        return;
      case 'claim-operation':
        this.#collect(this.#driver.claim(action));
        return;
      case 'hand-over':
        this.#collect(this.#driver.handOver(action));
        return;
      case 'begin-takeover':
        this.#collect(this.#driver.begin(action));
        return;
      case 'detach':
        this.#collect(this.#driver.detach(action));
        return;
      case 'record-takeover':
        this.#collect(this.#driver.record(action));
        return;
      case 'promote':
        this.#collect(this.#driver.promote(action));
        return;
    }
  }

  #collect(result: Promise<ActionResult>): void {
    void result.then((ended) => {
      this.#results.push(ended);
      this.wake();
    });
  }

  async #publishVerdict(action: Extract<Action, { do: 'publish-verdict' }>): Promise<void> {
    const { keys } = this.group;
    const { epoch, primary, verdict, code } = action;
    const record = { observer: this.#me, epoch, primary, verdict, code, atWallMs: this.#deps.clock.wallMs() };
    await this.group.write([], [put(keys.seen(this.#me), record)], 'the verdict');
  }

  #send(node: NodeId, order: Order): Promise<OrderReply> {
    if (node === this.#me) return this.obey(order);
    const { orderTimeoutMs } = this.#deps.config.knobs;
    // A checkpoint takes as long as the disk needs; the gateway stays open during it.
    const timeoutMs = order.do === 'hand-over' ? HAND_OVER_MS_MAX : orderTimeoutMs;
    return this.#deps.network.order(node, order, timeoutMs);
  }

  /** An order for this node, from its own driver or from another agent. */
  async obey(order: Order): Promise<OrderReply> {
    if (this.data === null) return { kind: 'refused', code: 'observer-only', why: 'a site holds no data' };
    return this.data.obey(order);
  }

  /** P6: a primary asks this node to stand back for one more TTL. */
  attest(asked: AttestAsked): AttestAnswer {
    if (this.data === null) return { kind: 'refused', code: 'observer-only', why: 'a site holds no data' };
    const { epoch, sync } = this.group.view();
    const state = this.#state;
    return this.data.promise.ask(asked, {
      nowMs: this.#deps.clock.nowMs(),
      ttlMs: this.#deps.config.knobs.leaseTtlMs,
      highestEpoch: Math.max(epoch?.value.n ?? 0, this.data.desk.highestEpoch),
      primary: sync?.value.primary ?? null,
      isDriving: state.kind !== 'steady' && (state.kind !== 'suspecting' || state.beginning !== null),
    });
  }

  #remember(about: Decided['about'], state: string, why: Reason, transition: boolean): void {
    const last = this.#decidedLast.get(about);
    if (!transition && last?.why.code === why.code && last.state === state) return;
    const decided: Decided = { atWallMs: this.#deps.clock.wallMs(), about, state, why };
    this.#decidedLast.set(about, decided);
    this.#decided.push(decided);
    if (this.#decided.length > DECISIONS_KEPT_MAX) this.#decided.shift();
    this.#deps.log.info(`${about}:${why.code}`, why.text, { state });
  }

  get decisions(): readonly Decided[] {
    return this.#decided;
  }

  get state(): {
    readonly failover: FailoverState;
    readonly why: Reason;
    readonly local: DatabaseStatus | null;
    readonly observation: Observation | null;
  } {
    return { failover: this.#state, why: this.#why, local: this.#local, observation: this.#observation };
  }

  get gatewayFeed(): GatewayFeed | null {
    return this.#gatewayFeed;
  }

  pulse(): Pulse {
    return pulseOf(this.#me, this.group.epoch?.value.n ?? 0, this.#local, this.data, this.#deps.clock.nowMs());
  }

  /** Calls `listener` with a pulse at every look, until the returned function is called. */
  onPulse(listener: (pulse: Pulse) => void): () => void {
    this.#pulseListeners.add(listener);
    return () => this.#pulseListeners.delete(listener);
  }

  #emitPulse(): void {
    if (this.#pulseListeners.size === 0) return;
    const pulse = this.pulse();
    for (const listener of this.#pulseListeners) listener(pulse);
  }
}
