import { kindOf, kindOfBytes, type StatementKind } from './statement.ts';
import { cString } from './wire.ts';

/**
 * Knows of one connection whether a commit may be in flight. Pure: it is shown what the client sends and what
 * ReadyForQuery answers.
 *
 * It must never miss a commit: saying 57P01 ("your transaction is gone") about one that happened makes a client
 * repeat it. It may be wrong in the other direction, but not about the usual case: inside a transaction block a
 * statement that does not end the block commits nothing.
 */
export class CommitTracker {
  /** What was sent and not answered by ReadyForQuery, oldest first: one entry per Query, FunctionCall or Sync. */
  readonly #pending: Request[] = [];
  /** Messages of the extended protocol after the last Sync. */
  readonly #open = new OpenBatch();
  /** Certainly inside a transaction block: ReadyForQuery said so, and nothing sent since can have ended the block. */
  #inBlock = false;
  /** COPY FROM STDIN is running: PostgreSQL ignores Sync until it ends. */
  #copyIn = false;
  #unnamed: StatementKind = 'plain';
  readonly #named = new Map<string, StatementKind>();
  /** A portal of a COMMIT was kept for later, or there are too many statements to remember: trust nothing. */
  #suspicious = false;

  /** The client sent Terminate. */
  terminated = false;
  /** Status of the last ReadyForQuery; null before the first. */
  status: string | null = null;

  /** ReadyForQuery will come: its request (Query, Sync, FunctionCall) was sent. */
  get answerDue(): boolean {
    return this.#pending.length > 0;
  }

  /** Nothing sent is unanswered and no transaction is open. */
  get idle(): boolean {
    return this.status === 'I' && this.#pending.length === 0 && !this.#open.executes;
  }

  get commitInFlight(): boolean {
    return this.#open.mayCommit || this.#pending.some((request) => request.mayCommit);
  }

  /** One whole message of the client in `bytes[start, end)`. */
  message(type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case 0x51: // Query
        return this.#query(kindOfBytes(bytes, start + 5, end - 1));
      case 0x50: // Parse
        return this.#parse(bytes, start + 5, end);
      case 0x42: // Bind
        return this.#bind(bytes, start + 5, end);
      case 0x45: // Execute
        return this.#execute();
      case 0x53: // Sync
        return this.#sync();
      case 0x46: // FunctionCall
        return this.#query('plain');
      case 0x63: // CopyDone
      case 0x66: // CopyFail
        this.#copyIn = false;
        return;
      case 0x58: // Terminate
        this.terminated = true;
        return;
      default:
        return;
    }
  }

  /** A message too long to look into. */
  large(type: number): void {
    if (type === 0x51 || type === 0x46) this.#query('ends-block');
    else if (type === 0x50) this.#suspicious = true;
    else if (type === 0x42) this.#open.endsBlock = this.#suspicious || this.#anyEnds();
  }

  /** The server sent ReadyForQuery. */
  ready(status: string): void {
    this.#pending.shift();
    this.#copyIn = false;
    this.status = status;
    const nothingSent = this.#pending.length === 0 && !this.#open.executes;
    if (status === 'I') this.#inBlock = false;
    else if (nothingSent) this.#inBlock = true;
  }

  /** The server sent CopyInResponse: a Sync that was sent already is ignored by it, and so are those until CopyDone. */
  copyIn(): void {
    this.#copyIn = true;
    if (this.#pending[0]?.bySync === true) {
      this.#pending.shift();
      this.#open.clear();
      this.#open.executes = true;
      this.#open.mayCommit = true;
    }
  }

  #query(kind: StatementKind): void {
    const mayCommit = this.#mayCommit(kind) || this.#open.mayCommit;
    this.#pending.push(mayCommit ? COMMITTING_QUERY : OTHER_QUERY);
    this.#open.clear();
    if (kind === 'ends-block' || kind === 'rolls-back') this.#inBlock = false;
  }

  #mayCommit(kind: StatementKind): boolean {
    if (kind === 'ends-block') return true;
    return kind === 'plain' && !this.#inBlock;
  }

  #parse(bytes: Buffer, at: number, end: number): void {
    const name = cString(bytes, at, end);
    const text = name === null ? null : cString(bytes, name.next, end);
    if (name === null || text === null) return;
    const kind = kindOf(text.text);
    if (name.text === '') this.#unnamed = kind;
    else if (kind === 'plain') this.#named.delete(name.text);
    else if (this.#named.size < MAX_NAMED) this.#named.set(name.text, kind);
    else this.#suspicious = true;
  }

  #bind(bytes: Buffer, at: number, end: number): void {
    const portal = cString(bytes, at, end);
    const statement = portal === null ? null : cString(bytes, portal.next, end);
    if (portal === null || statement === null) return;
    const kind = statement.text === '' ? this.#unnamed : (this.#named.get(statement.text) ?? 'plain');
    const ends = kind === 'ends-block' || kind === 'rolls-back';
    if (ends && portal.text !== '') this.#suspicious = true;
    this.#open.endsBlock ||= ends;
    this.#open.bound = portal.text === '' ? kind : 'plain';
  }

  #execute(): void {
    const open = this.#open;
    const ends = open.endsBlock || this.#suspicious;
    const commitsNothing = open.bound === 'begins' || open.bound === 'harmless';
    const inBlock = this.#inBlock || open.began;
    open.mayCommit ||= ends || !(inBlock || commitsNothing);
    open.executes = true;
    // When BEGIN fails, PostgreSQL skips all up to the Sync: what follows in this batch runs in a block or not at all.
    open.began = !ends && (open.began || open.bound === 'begins');
    if (ends) this.#inBlock = false;
  }

  #sync(): void {
    if (this.#copyIn) return;
    this.#pending.push(this.#open.mayCommit ? COMMITTING_SYNC : OTHER_SYNC);
    this.#open.clear();
  }

  #anyEnds(): boolean {
    return this.#unnamed !== 'plain' || this.#named.size > 0;
  }
}

/** How many named statements that are not plain are remembered. */
const MAX_NAMED = 256;

/** What was sent and will be answered by ReadyForQuery: one of four, made once, as there are many thousands a second. */
interface Request {
  readonly mayCommit: boolean;
  readonly bySync: boolean;
}
const COMMITTING_QUERY: Request = { mayCommit: true, bySync: false };
const OTHER_QUERY: Request = { mayCommit: false, bySync: false };
const COMMITTING_SYNC: Request = { mayCommit: true, bySync: true };
const OTHER_SYNC: Request = { mayCommit: false, bySync: true };

class OpenBatch {
  executes = false;
  mayCommit = false;
  endsBlock = false;
  began = false;
  bound: StatementKind = 'plain';

  clear(): void {
    this.executes = false;
    this.mayCommit = false;
    this.endsBlock = false;
    this.began = false;
    this.bound = 'plain';
  }
}
