import type { NodeId } from '../../src/base/ids.ts';
import type { SyncList } from '../../src/ports/database.ts';
import type { PgServer } from './server.ts';
import type { WalReceiver } from './wal-receiver.ts';

/** wal_sender_timeout and wal_receiver_timeout (P10.3). */
export const REPLICATION_TIMEOUT_MS = 2_000;

/** The primary's end of one replication connection, with its own copy of the settings. */
export class WalSender {
  readonly server: PgServer;
  readonly node: NodeId;
  readonly epoch: number;
  readonly #receiver: WalReceiver;
  list: SyncList;
  #sent: number;
  #heardAtMs: number;
  #open = true;
  flushed = 0;
  replayed = 0;
  streaming = false;
  hasPriority: boolean;

  constructor(server: PgServer, receiver: WalReceiver, node: NodeId, epoch: number, from: number) {
    this.server = server;
    this.#receiver = receiver;
    this.node = node;
    this.epoch = epoch;
    this.#sent = from;
    this.list = server.shown.syncList;
    this.hasPriority = this.#isNamed();
    this.#heardAtMs = server.process.nowMs();
    server.walSenders.add(this);
    this.#watch();
  }

  #isNamed(): boolean {
    return this.list.w > 0 && this.list.epoch === this.epoch && this.list.names.includes(this.node);
  }

  readSettings(): void {
    this.list = this.server.shown.syncList;
    this.hasPriority = this.#isNamed();
    this.server.onSettings();
  }

  send(): void {
    const { dir, end } = this.server;
    if (!this.#open || end === this.#sent) return;
    const from = this.#sent;
    this.#sent = end;
    const entries = dir.wal.slice(from, end);
    const { history } = dir;
    this.#receiver.down.send(() => this.#receiver.arrived(entries, history));
  }

  /** A reply of the standby: how far it has flushed. */
  reply(flushed: number, replayed: number): void {
    if (!this.#open) return;
    this.#heardAtMs = this.server.process.nowMs();
    this.flushed = flushed;
    this.replayed = replayed;
    if (flushed >= this.#sent) this.streaming = true;
    if (this.streaming && this.hasPriority) this.server.releaseBy(this.list);
  }

  #watch(): void {
    const { process } = this.server;
    process.after(REPLICATION_TIMEOUT_MS / 2, () => {
      if (!this.#open) return;
      const silentMs = process.nowMs() - this.#heardAtMs;
      if (silentMs >= REPLICATION_TIMEOUT_MS) return this.terminate();
      if (silentMs >= REPLICATION_TIMEOUT_MS / 2 - 1) this.#receiver.down.send(() => this.#receiver.pinged());
      this.#watch();
    });
  }

  /** pg_terminate_backend, a timeout, or the end of the server. */
  terminate(): void {
    if (!this.#open) return;
    this.closed();
    this.#receiver.down.send(() => this.#receiver.lost());
  }

  closed(): void {
    this.#open = false;
    this.server.walSenders.delete(this);
  }
}
