import type { Socket } from 'node:net';
import { CommitTracker } from './commit.ts';
import { type Intake, openIntake } from './intake.ts';
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
  readonly #intakes: readonly Intake[];
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #host: RelayHost;
  readonly #tracker = new CommitTracker();
  readonly #requests = new MessageScanner();
  readonly #requestVisitor: MessageVisitor;
  readonly #replies: ReplyFilter;
  #over = false;
  #clientEnded = false;
  #sawFatal = false;
  #cancelOpen = false;

  constructor(client: Socket, upstream: Socket, host: RelayHost) {
    const requests = openIntake(client, (chunk) => this.#fromClient(chunk));
    const answers = openIntake(upstream, (chunk) => this.#fromUpstream(chunk));
    this.#intakes = [requests, answers];
    this.#client = requests.socket;
    this.#upstream = answers.socket;
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
      cancelKey: (key) => host.cancelKey(key),
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
    client.on('drain', () => upstream.resume());
    client.on('end', () => this.#onClientEnd());
    client.on('close', () => this.#onClientGone());
    upstream.on('drain', () => client.resume());
    upstream.on('end', () => this.#onUpstreamGone());
    upstream.on('close', () => this.#onUpstreamGone());
    for (const intake of this.#intakes) intake.begin();
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
    if (!this.#upstream.write(chunk) && this.#upstream.writableLength > 0) this.#client.pause();
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
      this.#write(this.#replies.feed(chunk));
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

  #write(buffers: readonly Buffer[]): void {
    const client = this.#client;
    const first = buffers[0];
    if (first === undefined) return;
    let more: boolean;
    if (buffers.length === 1) more = client.write(first);
    else {
      client.cork();
      more = true;
      for (const bytes of buffers) more = client.write(bytes);
      client.uncork();
    }
    if (!more && client.writableLength > 0) this.#upstream.pause();
  }

  #onReady(): void {
    if (!this.#cancelOpen) return;
    this.#cancelOpen = false;
    this.#host.cancelUnknown();
  }

  #onClientEnd(): void {
    this.#clientEnded = true;
    if (!this.#over) this.#upstream.end();
  }

  #onClientGone(): void {
    if (this.#over) return;
    this.#over = true;
    // A client that said Terminate is gone before its last bytes are on their way: let them go.
    this.#upstream.destroySoon();
    this.#host.ended('closed', false);
  }

  #onUpstreamGone(): void {
    if (this.#over) return;
    const expected = this.#sawFatal || this.#tracker.terminated || this.#clientEnded;
    if (!expected) {
      this.#finish('lost', 'the connection to the database was lost');
      return;
    }
    this.#over = true;
    this.#upstream.destroy();
    sayGoodbye(this.#client, null);
    this.#host.ended('closed', false);
  }

  #finish(how: RelayEnd, why: string): void {
    if (this.#over) return;
    this.#over = true;
    const unknown = how === 'cancelled-sync-wait' || this.#tracker.commitInFlight;
    this.#upstream.destroy();
    // Bytes that wait for a slow client were written in time, but must not leave after the fence.
    const tooLate = how === 'fenced' && this.#client.writableLength > 0;
    if (tooLate || this.#replies.insideMessage) this.#client.destroy();
    else sayGoodbye(this.#client, unknown ? unknownFatal(why) : closedFatal(how, why));
    this.#host.ended(how, unknown);
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
