import type { Agent } from '../src/agent/agent.ts';
import type { NodeId, PlaceId } from '../src/base/ids.ts';
import type {
  AttestAnswer,
  AttestAsked,
  Order,
  OrderReply,
  PeerNetwork,
  Pulse,
  PulseHandlers,
} from '../src/ports/agent.ts';
import type { Process } from './clock.ts';
import { type Links, Pipe } from './links.ts';
import type { Rng } from './rng.ts';

const REOPEN_MS = 40;
const STREAM_IDLE_MS = 10_000;
const OPEN_TIMEOUT_MS = 1_500;
const DOOR_EVERY_MS = 100;
const DOOR_TIMEOUT_MS = 5_000;

/** What an agent can reach of another node: its agent's process and its gateway's door. */
export interface Reachable {
  readonly place: PlaceId;
  agent(): { readonly process: Process; readonly agent: Agent } | null;
  /** Does the gateway answer `hello`: it lives and its PostgreSQL takes connections? Null: no answer at all (frozen). */
  door(): boolean | null;
}

/** How orders may travel under faults: late, or a second time much later. */
export interface OrderFate {
  lateMs: number | null;
  againMs: number | null;
}

type NoAnswer =
  | { readonly kind: 'refused'; readonly code: string; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string };

/** PeerNetwork of one agent process over virtual links. */
export class SimPeers implements PeerNetwork {
  readonly #me: Process;
  readonly #place: PlaceId;
  readonly #links: Links;
  readonly #rng: Rng;
  readonly #nodes: ReadonlyMap<NodeId, Reachable>;
  readonly #fate: () => OrderFate;

  constructor(parts: {
    readonly me: Process;
    readonly place: PlaceId;
    readonly links: Links;
    readonly rng: Rng;
    readonly nodes: ReadonlyMap<NodeId, Reachable>;
    readonly fate: () => OrderFate;
  }) {
    this.#me = parts.me;
    this.#place = parts.place;
    this.#links = parts.links;
    this.#rng = parts.rng;
    this.#nodes = parts.nodes;
    this.#fate = parts.fate;
  }

  listen(node: NodeId, handlers: PulseHandlers): () => void {
    const target = this.#nodes.get(node);
    if (target === undefined) return () => undefined;
    const stream = new PulseStream(this.#me, this.#place, this.#links, target, handlers);
    stream.open();
    return () => stream.close();
  }

  order(node: NodeId, order: Order, timeoutMs: number): Promise<OrderReply> {
    return this.#ask(node, timeoutMs, (agent) => agent.obey(order));
  }

  attest(node: NodeId, asked: AttestAsked, timeoutMs: number): Promise<AttestAnswer> {
    return this.#ask(node, timeoutMs, async (agent) => agent.attest(asked));
  }

  /** One question, which may come late or twice. */
  #ask<T>(node: NodeId, timeoutMs: number, serve: (agent: Agent) => Promise<T>): Promise<T | NoAnswer> {
    const target = this.#nodes.get(node);
    if (target === undefined) return Promise.resolve({ kind: 'refused', code: 'no-address', why: 'no such node' });
    const there = new Pipe(this.#links, this.#place, target.place, 'agents');
    const back = new Pipe(this.#links, target.place, this.#place, 'agents');
    const fate = this.#fate();
    return new Promise((resolve) => {
      const unknown = (why: string): void => this.#me.deliver(() => resolve({ kind: 'unknown', why }));
      // The sender gives up; what is on its way may still arrive.
      this.#me.after(timeoutMs, () => resolve({ kind: 'unknown', why: `no answer within ${timeoutMs} ms` }));
      const deliver = (): void => {
        const found = target.agent();
        if (found === null) return back.send(() => unknown('connection refused'));
        // The kernel of a process that died ends its connections.
        const unplug = found.process.onDeath(() => back.send(() => unknown('the connection was lost')));
        found.process.deliver(() => {
          void serve(found.agent).then((reply) => {
            unplug();
            if (found.process.alive) back.send(() => this.#me.deliver(() => resolve(reply)));
          });
        });
      };
      there.send(deliver, fate.lateMs === null ? 0 : this.#rng.between(0, fate.lateMs));
      if (fate.againMs !== null) this.#me.scheduler.after(this.#rng.between(0, fate.againMs), deliver);
    });
  }
}

/** One stream of pulses, opened again whenever it breaks; while broken the node's door is asked. */
class PulseStream {
  readonly #me: Process;
  readonly #place: PlaceId;
  readonly #links: Links;
  readonly #target: Reachable;
  readonly #handlers: PulseHandlers;
  #closed = false;
  #broken = true;
  #asking = false;
  #heardAtMs = 0;
  #generation = 0;
  #leave: () => void = () => undefined;

  constructor(me: Process, place: PlaceId, links: Links, target: Reachable, handlers: PulseHandlers) {
    this.#me = me;
    this.#place = place;
    this.#links = links;
    this.#target = target;
    this.#handlers = handlers;
  }

  open(): void {
    if (this.#closed || !this.#me.alive) return;
    const generation = ++this.#generation;
    const there = new Pipe(this.#links, this.#place, this.#target.place, 'agents');
    const back = new Pipe(this.#links, this.#target.place, this.#place, 'agents');
    const leaves: (() => void)[] = [() => there.close(), () => back.close()];
    this.#leave = () => {
      for (const leave of leaves.splice(0)) leave();
    };
    const here = (run: () => void): void =>
      back.send(() =>
        this.#me.deliver(() => {
          if (generation === this.#generation) run();
        }),
      );
    this.#me.after(OPEN_TIMEOUT_MS, () => {
      if (generation === this.#generation && this.#broken && !this.#closed) this.#break('not open in time');
    });
    const roundTripMs = this.#links.delayMs(this.#place, this.#target.place) * 2;
    this.#heardAtMs = this.#me.nowMs();
    this.#watchIdle(generation);
    there.send(() => {
      const found = this.#target.agent();
      if (found === null) return here(() => this.#break('connection refused'));
      const { process, agent } = found;
      leaves.push(process.onDeath(() => here(() => this.#break('the stream ended'))));
      process.deliver(() => {
        here(() => this.#hear(agent.pulse()));
        leaves.push(agent.onPulse((pulse) => here(() => this.#hear(pulse))));
      });
    }, roundTripMs);
  }

  #hear(pulse: Pulse): void {
    this.#broken = false;
    this.#heardAtMs = this.#me.nowMs();
    this.#handlers.onPulse(pulse);
  }

  #watchIdle(generation: number): void {
    this.#me.after(STREAM_IDLE_MS, () => {
      if (generation !== this.#generation || this.#closed) return;
      if (this.#me.nowMs() - this.#heardAtMs >= STREAM_IDLE_MS) this.#break('silent for too long');
      else this.#watchIdle(generation);
    });
  }

  #break(why: string): void {
    if (this.#closed) return;
    this.#generation += 1;
    this.#leave();
    this.#broken = true;
    this.#handlers.onBroken(why);
    this.#ask();
    this.#me.after(REOPEN_MS, () => this.open());
  }

  #ask(): void {
    if (this.#asking) return;
    this.#asking = true;
    const again = (): void => {
      if (!this.#broken || this.#closed) {
        this.#asking = false;
        return;
      }
      let answered = false;
      const answer = (door: 'answers' | 'refuses'): void => {
        if (answered) return;
        answered = true;
        this.#handlers.onDoor(door);
        this.#me.after(DOOR_EVERY_MS, again);
      };
      const there = new Pipe(this.#links, this.#place, this.#target.place, 'gateways');
      const back = new Pipe(this.#links, this.#target.place, this.#place, 'gateways');
      const giveUp = this.#me.after(DOOR_TIMEOUT_MS, () => answer('refuses'));
      there.send(() => {
        const opens = this.#target.door();
        if (opens === null) return;
        back.send(() =>
          this.#me.deliver(() => {
            giveUp.cancel();
            answer(opens ? 'answers' : 'refuses');
          }),
        );
      });
    };
    again();
  }

  close(): void {
    this.#closed = true;
    this.#leave();
  }
}
