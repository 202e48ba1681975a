import type { NodeId, PlaceId } from '../src/base/ids.ts';
import { done, type Outcome, unknown } from '../src/base/result.ts';
import { Authority, type Binding } from '../src/database/gateway/table.ts';
import type { GatewayControl, GatewayStatus, GatewayTable } from '../src/ports/gateway.ts';
import type { Process } from './clock.ts';
import { type Links, Pipe } from './links.ts';
import type { PgHost } from './postgres/host.ts';
import type { PgServer } from './postgres/server.ts';

/** How a client's write ended, as the client sees it. */
export type WriteEnd =
  | { readonly kind: 'acked'; readonly count: number; readonly server: PgServer; readonly leftAtMs: number }
  | { readonly kind: 'refused' | 'unknown'; readonly why: string };

/** A commit that waited and was cancelled is reported by PostgreSQL as a success with a WARNING (P7.3). */
export interface GatewayRules {
  cancelledIsAcked: boolean;
  checksAuthority: boolean;
}

/** One connection as a gateway sees it. */
interface GatewayEnd {
  readonly binding: Binding;
  /** Between two transactions. */
  readonly idle: boolean;
  drop(why: string): void;
}

/** The door of one node: the gateway's own rules (database/gateway/table.ts) on model connections. */
export class SimGateway {
  readonly node: NodeId;
  readonly place: PlaceId;
  readonly process: Process;
  readonly authority: Authority;
  readonly sessions = new Set<GatewayEnd>();
  readonly #host: PgHost;
  readonly rules: GatewayRules;

  constructor(node: NodeId, process: Process, host: PgHost, rules: GatewayRules) {
    this.node = node;
    this.place = host.place;
    this.process = process;
    this.#host = host;
    this.rules = rules;
    this.authority = new Authority(node, () => process.nowMs());
    process.onDeath(() => {
      for (const session of this.sessions) session.drop('the gateway died');
    });
  }

  get host(): PgHost {
    return this.#host;
  }

  apply(table: GatewayTable): void {
    if (this.authority.apply(table) || table.closing === true) this.sweep();
    const endMs = this.authority.nextEndMs;
    if (endMs !== null) this.process.after(endMs, () => this.sweep());
  }

  sweep(): void {
    for (const session of this.sessions) {
      if (this.whyOver(session.binding) !== null) session.drop('fenced');
      else if (session.idle && this.authority.shouldMove(session.binding)) session.drop('handed over');
    }
  }

  #writers(): number {
    return [...this.sessions].filter(({ idle }) => !idle).length;
  }

  whyOver(binding: Binding): string | null {
    return this.rules.checksAuthority ? this.authority.whyOver(binding) : null;
  }

  control(agent: Process): GatewayControl {
    const answer = (): Outcome<GatewayStatus> =>
      done({
        pid: 1,
        epoch: this.authority.epoch,
        table: this.authority.table,
        connections: { rw: this.sessions.size, ro: 0, peer: 0, waiting: 0, writers: this.#writers() },
        counters: { accepted: 0, refused: 0, fenced: 0, inFlightUnknown: 0, cancelledSyncWaits: 0, cancelsUnknown: 0 },
      });
    return controlOf(agent, this.process, (table) => {
      if (table !== null) this.apply(table);
      return answer();
    });
  }
}

/** The control socket: an answer, or none within a second. */
function controlOf(
  agent: Process,
  gateway: Process,
  serve: (table: GatewayTable | null) => Outcome<GatewayStatus>,
): GatewayControl {
  const call = (table: GatewayTable | null): Promise<Outcome<GatewayStatus>> =>
    new Promise((resolve) => {
      if (!gateway.alive) return resolve(unknown('no gateway'));
      const giveUp = agent.after(1_000, () => resolve(unknown('the gateway did not answer')));
      gateway.deliver(() => {
        const answer = serve(table);
        agent.deliver(() => {
          giveUp.cancel();
          resolve(answer);
        });
      });
    });
  return { table: (table) => call(table), status: () => call(null), close: () => undefined };
}

/** One client's connection: through its local gateway, perhaps through another's, to a backend. */
export class SimSession {
  readonly binding: Binding;
  readonly #local: SimGateway;
  readonly #remote: SimGateway | null;
  readonly #server: PgServer;
  readonly #there: Pipe;
  readonly #back: Pipe;
  readonly #over: () => void;
  #leave: () => void = () => undefined;
  #open = true;
  #end: ((end: WriteEnd) => void) | null = null;

  constructor(links: Links, local: SimGateway, remote: SimGateway | null, server: PgServer, binding: Binding) {
    this.#local = local;
    this.#remote = remote;
    this.#server = server;
    this.binding = binding;
    const last = remote ?? local;
    this.#there = new Pipe(links, local.place, last.place, 'gateways');
    this.#back = new Pipe(links, last.place, local.place, 'gateways');
    this.#over = () => this.#lost('the server ended the session');
    server.sessions.add(this.#over);
    local.sessions.add(this);
    if (remote !== null) {
      const isIdle = (): boolean => this.idle;
      const end: GatewayEnd = {
        binding: { ...binding, target: 'local' },
        get idle() {
          return isIdle();
        },
        drop: (why) => {
          remote.sessions.delete(end);
          this.#lost(why);
        },
      };
      remote.sessions.add(end);
      this.#leave = () => remote.sessions.delete(end);
    }
  }

  get open(): boolean {
    return this.#open;
  }

  get idle(): boolean {
    return this.#end === null;
  }

  /** The far side is gone: this side hears of it over the link. */
  #lost(why: string): void {
    this.#back.send(() => this.#local.process.deliver(() => this.drop(why)));
  }

  write(id: number, end: (end: WriteEnd) => void): void {
    this.#end = end;
    const far = this.#remote ?? this.#local;
    const binding: Binding = this.#remote === null ? this.binding : { ...this.binding, target: 'local' };
    this.#there.send(() =>
      far.process.deliver(() => {
        if (!this.#server.process.alive) return this.#lost('no backend');
        this.#server.process.deliver(() =>
          this.#server.commit({ kind: 'row', id }, true, (how, count) => {
            if (how === 'lost' || (how === 'cancelled' && !far.rules.cancelledIsAcked)) return this.#lost('no answer');
            far.process.deliver(() => {
              // Asked before every write to a client (P7.1).
              if (far.whyOver(binding) !== null) return this.#lost('fenced');
              const leftAtMs = far.process.scheduler.nowMs;
              this.#back.send(() => this.#local.process.deliver(() => this.#acked(count, leftAtMs)));
            });
          }),
        );
      }),
    );
  }

  #acked(count: number, leftAtMs: number): void {
    if (!this.#open) return;
    if (this.#local.whyOver(this.binding) !== null) return this.drop('fenced');
    const end = this.#end;
    this.#end = null;
    end?.({ kind: 'acked', count, server: this.#server, leftAtMs });
    const last = this.#remote ?? this.#local;
    if (last.authority.shouldMove({ ...this.binding, target: 'local' })) this.drop('handed over');
  }

  drop(why: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#there.close();
    this.#back.close();
    this.#server.sessions.delete(this.#over);
    this.#local.sessions.delete(this);
    this.#leave();
    const end = this.#end;
    this.#end = null;
    end?.({ kind: 'unknown', why });
  }
}
