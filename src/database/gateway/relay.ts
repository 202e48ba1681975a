import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { CommitTracker } from './commit.ts';
import { type Channel, openChannel } from './channel.ts';
import type { Poller } from './poller.ts';
import { ReplyFilter } from './reply.ts';
import { MessageScanner, type MessageVisitor } from './scan.ts';
import { sayGoodbye } from './sockets.ts';
import { fatal } from './wire.ts';

/** Why a relay ended. Only the first four are news for the client. */
export type RelayEnd = 'fenced' | 'lost' | 'cancelled-sync-wait' | 'protocol' | 'moved' | 'closed';

export interface RelayHost {
  /** Asked before every write to the client: why nothing more may be written, or null. */
  whySilent(): string | null;
  /** Why the connection should go elsewhere as soon as no transaction is open; null when it may stay. */
  whyMove(): string | null;
  cancelKey(key: string): void;
  /** A cancel request was forwarded and the next ReadyForQuery came without 57014. */
  cancelUnknown(): void;
  /** Called once. `unknown`: a commit was in flight, the client got 08007. */
  ended(how: RelayEnd, unknown: boolean): void;
}

/**
 * Carries one client's conversation with PostgreSQL, and ends it truthfully: 57P01 when nothing can have been
 * committed, 08007 when it can.
 */
export class Relay {
  readonly #client: Channel;
  readonly #upstream: Channel;
  readonly #carrier: Poller | null;
  readonly #host: RelayHost;
  readonly #tracker = new CommitTracker();
  readonly #requests = new MessageScanner();
  readonly #requestVisitor: MessageVisitor;
  readonly #replies: ReplyFilter;
  #over = false;
  #clientEnded = false;
  #sawFatal = false;
  #cancelOpen = false;

  /** `poller` carries both sockets where it can (not TLS); null: Node alone does. */
  constructor(client: Socket, upstream: Socket, poller: Poller | null, host: RelayHost) {
    const carrier = client instanceof TLSSocket ? null : poller;
    this.#carrier = carrier;
    this.#client = openChannel(client, carrier, (chunk) => this.#fromClient(chunk));
    this.#upstream = openChannel(upstream, carrier, (chunk) => this.#fromUpstream(chunk));
    this.#host = host;
    const tracker = this.#tracker;
    this.#requestVisitor = {
      begin: () => undefined,
      message: (type, bytes, start, end) => {
        tracker.message(type, bytes, start, end);
        return true;
      },
      large: (type) => tracker.large(type),
      visited: () => undefined,
    };
    this.#replies = new ReplyFilter(tracker, {
      cancelKey: (key) => {
        host.cancelKey(key);
        carrier?.leave(); // the host may let somebody else begin now
      },
      ready: () => this.#onReady(),
      error: (sqlState, isFatal) => {
        this.#sawFatal ||= isFatal;
        if (sqlState === '57014') this.#cancelOpen = false;
      },
    });
  }

  get idle(): boolean {
    return this.#tracker.idle;
  }

  start(): void {
    const client = this.#client;
    const upstream = this.#upstream;
    client.socket.on('drain', () => upstream.resume());
    client.socket.on('end', () => this.#onClientEnd());
    client.socket.on('close', () => this.#onClientGone());
    upstream.socket.on('drain', () => client.resume());
    upstream.socket.on('end', () => this.#onUpstreamGone());
    upstream.socket.on('close', () => this.#onUpstreamGone());
    client.begin();
    upstream.begin();
  }

  /** A CancelRequest for this connection was passed on. */
  cancelForwarded(): void {
    this.#cancelOpen = true;
  }

  /** Closes both sides because this gateway may not answer any more. */
  fence(why: string): void {
    this.#finish('fenced', why);
  }

  /** Closes an idle connection that should go elsewhere. */
  move(why: string): void {
    if (this.#tracker.idle) this.#finish('moved', why);
  }

  #fromClient(chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#requests.scan(chunk, this.#requestVisitor);
    } catch {
      this.#finish('protocol', 'invalid frontend message');
      return;
    }
    if (!this.#upstream.write([chunk])) this.#client.pause();
  }

  #fromUpstream(chunk: Buffer): void {
    if (this.#over) return;
    // Before the chunk is looked at: an answer that is not passed on has not answered anything.
    const why = this.#host.whySilent();
    if (why !== null) {
      this.#finish('fenced', why);
      return;
    }
    try {
      const buffers = this.#replies.feed(chunk);
      if (buffers.length > 0 && !this.#client.write(buffers)) this.#upstream.pause();
    } catch {
      this.#finish('protocol', 'the database sent an invalid message');
      return;
    }
    if (this.#replies.syncWaitCancelled) {
      this.#finish('cancelled-sync-wait', 'the wait for synchronous replication was cancelled');
    } else if (this.#tracker.idle) {
      const elsewhere = this.#host.whyMove();
      if (elsewhere !== null) this.#finish('moved', elsewhere);
    }
  }

  #onReady(): void {
    if (!this.#cancelOpen) return;
    this.#cancelOpen = false;
    this.#host.cancelUnknown();
  }

  #onClientEnd(): void {
    this.#clientEnded = true;
    if (!this.#over) this.#upstream.socket.end();
  }

  #onClientGone(): void {
    if (this.#over) return;
    this.#end();
    // A client that said Terminate is gone before its last bytes are on their way: let them go.
    this.#upstream.socket.destroySoon();
    this.#host.ended('closed', false);
  }

  #onUpstreamGone(): void {
    if (this.#over) return;
    const expected = this.#sawFatal || this.#tracker.terminated || this.#clientEnded;
    if (!expected) {
      this.#finish('lost', 'the connection to the database was lost');
      return;
    }
    this.#end();
    this.#upstream.socket.destroy();
    sayGoodbye(this.#client.socket, null);
    this.#host.ended('closed', false);
  }

  #finish(how: RelayEnd, why: string): void {
    if (this.#over) return;
    this.#end();
    const unknown = how === 'cancelled-sync-wait' || this.#tracker.commitInFlight;
    const { socket } = this.#client;
    this.#upstream.socket.destroy();
    // Bytes that wait for a slow client were written in time, but must not leave after the fence.
    const tooLate = how === 'fenced' && socket.writableLength > 0;
    if (tooLate || this.#replies.insideMessage) socket.destroy();
    else sayGoodbye(socket, unknown ? unknownFatal(why) : closedFatal(how, why));
    this.#host.ended(how, unknown);
  }

  /** Nothing is carried any more. */
  #end(): void {
    this.#over = true;
    this.#carrier?.leave();
    this.#client.release();
    this.#upstream.release();
  }
}

const unknownFatal = (why: string): Buffer =>
  fatal(
    '08007',
    `farshore: transaction resolution unknown: ${why}`,
    'the transaction may or may not be committed; read it back on a new connection before repeating it',
  );

const closedFatal = (how: RelayEnd, why: string): Buffer =>
  fatal(
    how === 'protocol' ? '08P01' : '57P01',
    `farshore: terminating connection: ${why}`,
    'no commit was in flight; connect again and repeat the transaction',
  );
