import type { NodeId } from '../src/base/ids.ts';
import type { Process } from './clock.ts';
import { SimSession, type SimGateway, type WriteEnd } from './gateway.ts';
import { type Links, Pipe } from './links.ts';
import type { PgServer } from './postgres/server.ts';
import type { Entry } from './postgres/wal.ts';
import type { Rng } from './rng.ts';

/** An acknowledged write, and the record that holds it. */
export interface Acked {
  readonly id: number;
  readonly atMs: number;
  /** When the primary's gateway wrote the answer. */
  readonly leftAtMs: number;
  readonly count: number;
  readonly entry: Entry;
  readonly server: PgServer;
  /** Newest epoch in that server's WAL when it acknowledged. */
  readonly epoch: number;
}

/** What clients tried and what they were told (the ledger). */
export class Ledger {
  attempts = 0;
  unknown = 0;
  refused = 0;
  readonly acked: Acked[] = [];
  lastAckMs = 0;
  onAck: (acked: Acked) => void = () => undefined;
  onError: (why: string) => void = () => undefined;

  ack(id: number, atMs: number, { count, server, leftAtMs }: Extract<WriteEnd, { kind: 'acked' }>): void {
    const entry = server.dir.wal[count - 1];
    if (entry === undefined) throw new Error(`write ${id} was acknowledged and is not in the WAL`);
    const acked: Acked = { id, atMs, leftAtMs, count, entry, server, epoch: server.storedEpoch ?? 0 };
    this.acked.push(acked);
    this.lastAckMs = atMs;
    this.onAck(acked);
  }
}

const RETRY_MS = 100;
const ANSWER_MS_MAX = 8_000;

/** One application in one region: a session to the primary, wherever it is, and one write after another. */
export class Client {
  readonly #process: Process;
  readonly #links: Links;
  readonly #gateways: ReadonlyMap<NodeId, { readonly gateway: SimGateway }>;
  readonly #node: NodeId;
  readonly #ledger: Ledger;
  readonly #rng: Rng;
  readonly #everyMs: number;
  #session: SimSession | null = null;

  constructor(parts: {
    readonly process: Process;
    readonly links: Links;
    readonly gateways: ReadonlyMap<NodeId, { readonly gateway: SimGateway }>;
    readonly node: NodeId;
    readonly ledger: Ledger;
    readonly rng: Rng;
    readonly everyMs: number;
  }) {
    this.#process = parts.process;
    this.#links = parts.links;
    this.#gateways = parts.gateways;
    this.#node = parts.node;
    this.#ledger = parts.ledger;
    this.#rng = parts.rng;
    this.#everyMs = parts.everyMs;
    this.#later(this.#everyMs);
  }

  #later(ms: number): void {
    this.#process.after(ms * this.#rng.between(0.5, 1.5), () => this.#turn());
  }

  #turn(): void {
    if (this.#session === null || !this.#session.open) this.#connect((session) => this.#opened(session));
    else this.#write(this.#session);
  }

  #opened(session: SimSession | null): void {
    this.#session = session;
    if (session === null) this.#later(RETRY_MS);
    else this.#write(session);
  }

  #write(session: SimSession): void {
    const id = ++this.#ledger.attempts;
    let over = false;
    const giveUp = this.#process.after(ANSWER_MS_MAX, () => session.drop('the client gave up'));
    session.write(id, (end) => {
      if (over) return;
      over = true;
      giveUp.cancel();
      if (end.kind === 'acked') this.#ledger.ack(id, this.#process.scheduler.nowMs, end);
      else {
        this.#ledger.unknown += 1;
        this.#ledger.onError(end.why);
      }
      this.#later(end.kind === 'acked' ? this.#everyMs : RETRY_MS);
    });
  }

  /** As the gateway does: by its table to the local server, or over the link to the primary's gateway. */
  #connect(opened: (session: SimSession | null) => void): void {
    const local = this.#gateways.get(this.#node)?.gateway;
    if (local === undefined || !local.process.alive || local.process.frozen) return opened(null);
    const route = local.authority.route('rw', 0);
    if (route.kind === 'wait') return opened(null);
    if (route.kind === 'local') {
      const server = local.host.running;
      if (server === null || !server.up || server.process.frozen) return opened(null);
      return opened(
        new SimSession(this.#links, local, null, server, { want: 'rw', epoch: route.epoch, target: 'local' }),
      );
    }
    const { epoch, node } = route;
    this.#knock(local, node, epoch, opened);
  }

  #knock(local: SimGateway, node: NodeId, epoch: number, opened: (session: SimSession | null) => void): void {
    const remoteNow = (): SimGateway | undefined => this.#gateways.get(node)?.gateway;
    const place = remoteNow()?.place;
    if (place === undefined) return opened(null);
    const there = new Pipe(this.#links, local.place, place, 'gateways');
    const back = new Pipe(this.#links, place, local.place, 'gateways');
    let answered = false;
    const answer = (session: SimSession | null): void => {
      if (answered) return session?.drop('too late');
      answered = true;
      opened(session);
    };
    this.#process.after(1_000, () => answer(null));
    there.send(() => {
      const remote = remoteNow();
      if (remote === undefined || !remote.process.alive) return back.send(() => answer(null));
      remote.process.deliver(() => {
        // The highest epoch wins, on both sides (P7.2).
        if (remote.authority.learn(epoch)) remote.sweep();
        const server = remote.host.running;
        const no = remote.authority.whyNotForPeer('rw', epoch) !== null || server === null || !server.up;
        const known = remote.authority.epoch;
        back.send(() =>
          local.process.deliver(() => {
            if (local.authority.learn(known)) local.sweep();
            if (no || server === null || !server.process.alive) return answer(null);
            answer(new SimSession(this.#links, local, remote, server, { want: 'rw', epoch, target: node }));
          }),
        );
      });
    });
  }
}
