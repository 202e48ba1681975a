import { type ClocksAhead, pausedMs } from '../../base/clocks-ahead.ts';
import type { NodeId } from '../../base/ids.ts';
import type { GatewayTable } from '../../ports/gateway.ts';

/** What a connection was opened for, and under which epoch. It never moves to another (P7.2). */
export interface Binding {
  readonly want: 'rw' | 'ro';
  readonly epoch: number;
  /** `local`: this node's PostgreSQL; else the node whose gateway it goes through. */
  readonly target: 'local' | NodeId;
}

export type Route =
  | { readonly kind: 'local'; readonly epoch: number }
  | {
      readonly kind: 'peer';
      readonly epoch: number;
      readonly node: NodeId;
      readonly host: string;
      readonly port: number;
    }
  /** `forMs`: it is worth another look then, also when nobody said anything new. */
  | { readonly kind: 'wait'; readonly why: string; readonly forMs?: number };

/**
 * A new epoch closes every connection, and all of them come back at once. The primary is promoted in just this moment, on the same processors:
 * those that only read wait for it so long, and writers are let in first.
 */
const READERS_WAIT_MS = 250;

/**
 * What this gateway may do now: the last table of its agent, the highest epoch that anybody told it, and the deadline.
 * Time comes in through `nowMs` (CLOCK_MONOTONIC) and, for the deadline, the machine's other clocks beside it (P2.2).
 */
export class Authority {
  readonly #node: NodeId;
  readonly #nowMs: () => number;
  readonly #ahead: (() => ClocksAhead) | null;
  #table: GatewayTable | null = null;
  #highest = 0;
  /** When the highest epoch was heard of. Of the first one nothing is known: it may be old. */
  #highestAtMs = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<() => void>();

  constructor(node: NodeId, nowMs: () => number, ahead: (() => ClocksAhead) | null = null) {
    this.#node = node;
    this.#nowMs = nowMs;
    this.#ahead = ahead;
  }

  get table(): GatewayTable | null {
    return this.#table;
  }

  /** The highest epoch known: from the agent or from a peer. */
  get epoch(): number {
    return this.#highest;
  }

  /** Milliseconds until nothing more may be written to a client; null = no deadline. */
  get leftMs(): number | null {
    const deadlineMs = this.#table?.deadlineMs ?? null;
    return deadlineMs === null ? null : deadlineMs - this.#nowMs() - this.#pausedMs();
  }

  /**
   * What CLOCK_MONOTONIC did not count since the lease was asked for. Where only the wall clock says so it may be wrong; then the next renewal,
   * a third of the lease later, opens the door again.
   */
  #pausedMs(): number {
    const then = this.#table?.ahead;
    return then === undefined || this.#ahead === null ? 0 : pausedMs(then, this.#ahead());
  }

  /** Past the deadline. Asked before every write to a client. */
  get expired(): boolean {
    const leftMs = this.leftMs;
    return leftMs !== null && leftMs <= 0;
  }

  /** Milliseconds until time alone ends something: the deadline, or the freshness of the local replica. null = never. */
  get nextEndMs(): number | null {
    const nowMs = this.#nowMs();
    const leftMs = (endMs: number | null | undefined): number =>
      typeof endMs === 'number' && endMs > nowMs ? endMs - nowMs : Number.POSITIVE_INFINITY;
    const nextMs = Math.min(leftMs(this.#table?.deadlineMs), leftMs(this.#table?.readOnly.freshUntilMs));
    return nextMs === Number.POSITIVE_INFINITY ? null : nextMs;
  }

  /** Takes the agent's table. False when it is of an older epoch than the present one (a late message). */
  apply(table: GatewayTable): boolean {
    if (this.#table !== null && table.epoch < this.#table.epoch) return false;
    this.#table = table;
    this.#raise(table.epoch);
    this.#wake();
    return true;
  }

  /** A peer knows of `epoch`. True when that is news: this node's own reign, if it had one, is over. */
  learn(epoch: number): boolean {
    if (epoch <= this.#highest) return false;
    this.#raise(epoch);
    this.#wake();
    return true;
  }

  #raise(epoch: number): void {
    if (epoch <= this.#highest) return;
    if (this.#highest > 0) this.#highestAtMs = this.#nowMs();
    this.#highest = epoch;
  }

  /** Calls back at the next change of what may be done, once. Returns a function that calls it off. */
  onChange(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  /** Where a new connection leads. `attempt` counts the tries of one connection: `ro` goes through its candidates. */
  route(want: 'rw' | 'ro', attempt: number): Route {
    const table = this.#table;
    if (table === null) return wait('the agent of this node has not said yet where the database is');
    if (this.expired) return wait(`the lease of epoch ${table.epoch} has passed and was not renewed`);
    const leftMs = want === 'ro' && !this.#hasPrimary(table) ? this.#highestAtMs + READERS_WAIT_MS - this.#nowMs() : 0;
    if (leftMs > 0)
      return { kind: 'wait', why: `epoch ${this.#highest} has just begun: its primary comes first`, forMs: leftMs };
    const local = this.#whyNotLocal(want, table);
    if (local === null) return { kind: 'local', epoch: table.epoch };
    if (want === 'rw') {
      const primary = table.primary;
      if (primary === null || primary.node === this.#node) return wait(local);
      return { kind: 'peer', epoch: this.#highest, node: primary.node, host: primary.host, port: primary.port };
    }
    const peer = table.readOnly.elsewhere[attempt % Math.max(1, table.readOnly.elsewhere.length)];
    if (peer === undefined) return wait(local);
    return { kind: 'peer', epoch: this.#highest, node: peer.node, host: peer.host, port: peer.port };
  }

  #hasPrimary(table: GatewayTable): boolean {
    return table.epoch === this.#highest && (table.open || table.primary !== null);
  }

  /** May a peer that knows `epoch` be led to the local PostgreSQL? Null when yes, else why not. */
  whyNotForPeer(want: 'rw' | 'ro', epoch: number): string | null {
    if (this.#table === null) return 'my agent has not said yet what I may serve';
    if (epoch > this.#table.epoch) return `I am behind: epoch ${this.#table.epoch}, yours is ${epoch}`;
    if (this.expired) return `my lease of epoch ${this.#table.epoch} has passed`;
    return this.#whyNotLocal(want, this.#table);
  }

  /** May a connection bound like this live on? Null when yes, else why not. */
  whyOver(binding: Binding): string | null {
    const table = this.#table;
    if (table === null) return null;
    if (this.#highest > binding.epoch) return `the database is under epoch ${this.#highest} now`;
    if (this.expired) return `the lease of epoch ${table.epoch} has passed`;
    if (binding.target !== 'local') return this.#whyPeerOver(binding, table);
    // A replica that became too old is left at the end of a transaction, not in the middle: see `shouldMove`.
    if (binding.want === 'ro') return table.local === 'closed' ? 'the local database is closed' : null;
    return table.closing === true ? null : this.#whyNotLocal('rw', table);
  }

  /**
   * A connection that ends when its transaction has ended: a read-only one to a local replica that is too old by now, or a
   * writing one to a primary that hands over.
   */
  shouldMove(binding: Binding): boolean {
    const table = this.#table;
    if (binding.target !== 'local' || table === null) return false;
    return binding.want === 'rw' ? table.closing === true : this.#whyNotFresh(table) !== null;
  }

  /** Null when the local database is fresh enough for `ro`. An agent that is silent vouches for its replica only so long. */
  #whyNotFresh({ readOnly }: GatewayTable): string | null {
    if (!readOnly.local) return readOnly.why;
    const { freshUntilMs } = readOnly;
    if (freshUntilMs === null || this.#nowMs() < freshUntilMs) return null;
    return 'not fresh enough: the agent of this node has not said for a while how old this replica is';
  }

  #whyPeerOver(binding: Binding, table: GatewayTable): string | null {
    if (binding.want === 'ro' || table.epoch < binding.epoch || table.primary === null) return null;
    return table.primary.node === binding.target ? null : `the primary is ${table.primary.node}`;
  }

  #whyNotLocal(want: 'rw' | 'ro', table: GatewayTable): string | null {
    if (this.#highest > table.epoch) return `a new primary is being installed (epoch ${this.#highest})`;
    if (want === 'ro') {
      if (table.local === 'closed') return 'the local database is closed';
      return this.#whyNotFresh(table);
    }
    if (table.local !== 'primary') {
      return table.primary === null ? `no primary is known in epoch ${table.epoch}` : 'this node is not the primary';
    }
    if (table.closing === true) return `the primary of epoch ${table.epoch} hands over to another node`;
    return table.open ? null : `the primary of epoch ${table.epoch} is not open yet`;
  }

  #wake(): void {
    const callbacks = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of callbacks) callback();
  }
}

const wait = (why: string): Route => ({ kind: 'wait', why });
