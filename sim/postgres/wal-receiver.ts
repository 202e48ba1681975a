import { Pipe, type Links } from '../links.ts';
import type { Entry, ForkAt } from './wal.ts';
import { REPLICATION_TIMEOUT_MS, WalSender } from './wal-sender.ts';
import type { PgServer } from './server.ts';

const CONNECT_TIMEOUT_MS = 2_000;

/** Why a standby may not stream from here, as PostgreSQL judges it: by timeline and position alone. Null when it may. */
export function whyNotStream(standby: PgServer, upstream: PgServer): string | null {
  if (!upstream.up) return 'the upstream does not accept connections';
  if (standby.dir.systemId !== upstream.dir.systemId) return 'another system identifier';
  if (standby.timeline === upstream.timeline)
    return standby.end <= upstream.end ? null : 'the requested starting point is ahead of the upstream';
  const fork = upstream.dir.history.find((ancestor) => ancestor.timeline === standby.timeline);
  if (fork === undefined) return `timeline ${standby.timeline} is not in the upstream's history`;
  return standby.end <= fork.count ? null : 'the new timeline forked off before the end of the local WAL';
}

/** The standby's end of one replication connection. */
export class WalReceiver {
  readonly standby: PgServer;
  readonly up: Pipe;
  readonly down: Pipe;
  readonly #target: { readonly epoch: number };
  #sender: WalSender | null = null;
  #heardAtMs: number;
  #open = true;
  streaming = false;

  constructor(
    standby: PgServer,
    links: Links,
    target: { readonly epoch: number },
    upstream: () => PgServer | null,
    to: PgServer['place'],
  ) {
    this.standby = standby;
    this.#target = target;
    this.up = new Pipe(links, standby.place, to, 'replication');
    this.down = new Pipe(links, to, standby.place, 'replication');
    this.#heardAtMs = standby.process.nowMs();
    standby.receiver = this;
    // A handshake with a password: three round trips; the last of the way up meets the server.
    const roundTripMs = links.delayMs(standby.place, to) + links.delayMs(to, standby.place);
    // One that was given up meanwhile, behind a cut link, is no connection any more.
    this.up.send(() => {
      if (this.#open) this.#knock(upstream());
    }, 2 * roundTripMs);
    standby.process.after(CONNECT_TIMEOUT_MS, () => {
      if (!this.streaming) this.lost();
    });
    standby.process.onDeath(() => this.#abandon());
  }

  #knock(upstream: PgServer | null): void {
    if (upstream === null || !upstream.process.alive) return this.down.send(() => this.lost());
    upstream.process.deliver(() => {
      const why = whyNotStream(this.standby, upstream);
      if (why !== null) return this.down.send(() => this.lost());
      // Its slot is in use: a standby has one walsender at a time, or a quorum would count it twice.
      if (upstream.isSlotInUse(this.standby.node)) return this.down.send(() => this.lost());
      const sender = new WalSender(upstream, this, this.standby.node, this.#target.epoch, this.standby.end);
      this.#sender = sender;
      upstream.process.onDeath(() => sender.terminate());
      this.down.send(() => this.#begins());
      sender.send();
    });
  }

  #begins(): void {
    this.standby.process.deliver(() => {
      if (!this.#open) return;
      this.streaming = true;
      this.#heardAtMs = this.standby.process.nowMs();
      this.#answer();
      this.#watch();
    });
  }

  arrived(entries: readonly Entry[], history: readonly ForkAt[]): void {
    this.standby.process.deliver(() => {
      if (!this.#open) return;
      this.#heardAtMs = this.standby.process.nowMs();
      this.standby.received(entries, history);
      this.#answer();
    });
  }

  pinged(): void {
    this.standby.process.deliver(() => {
      if (!this.#open) return;
      this.#heardAtMs = this.standby.process.nowMs();
      this.#answer();
    });
  }

  #answer(): void {
    const { end, replayed, process } = this.standby;
    if (!process.alive) return;
    this.up.send(() => {
      const sender = this.#sender;
      sender?.server.process.deliver(() => sender.reply(end, replayed));
    });
  }

  #watch(): void {
    const { process } = this.standby;
    process.after(REPLICATION_TIMEOUT_MS / 2, () => {
      if (!this.#open) return;
      if (process.nowMs() - this.#heardAtMs >= REPLICATION_TIMEOUT_MS) this.lost();
      else this.#watch();
    });
  }

  /** The connection is gone as seen from here. */
  lost(): void {
    this.standby.process.deliver(() => this.end('lost'));
  }

  /** Ends on this side; the other one learns it over the link. */
  end(_why: string): void {
    if (!this.#open) return;
    this.#abandon();
    if (this.standby.receiver === this) this.standby.receiver = null;
  }

  #abandon(): void {
    if (!this.#open) return;
    this.#open = false;
    this.streaming = false;
    this.down.close();
    const sender = this.#sender;
    // What was confirmed before still arrives: it was on its way.
    this.up.send(() => sender?.server.process.deliver(() => sender.closed()));
  }
}
