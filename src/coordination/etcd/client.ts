import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { type Outcome, assert, done, refused, unknown } from '../../base/result.ts';
import type { Coordination, WatchHandlers } from '../../ports/coordination.ts';
import { type EtcdCall, grantCall, keepAliveCall, loginCall, readError, revokeCall, txnCall } from './codec.ts';
import { type Credentials, type Endpoint, type Exchange, endpointOf, exchange } from './exchange.ts';
import { watchStore } from './watch.ts';

export interface StoreOptions {
  /** `http://host:port`, in order of preference. */
  readonly urls: readonly string[];
  readonly auth: StoreAuth;
  /** Bound of every call, over all endpoints that it tries. */
  readonly timeoutMs: number;
  /** A real clock. */
  readonly clock: Clock;
  /** A watch that hears nothing for so long is opened anew, by itself. Longer than the store's progress interval. */
  readonly watchIdleMs?: number;
}

const WATCH_IDLE_MS = 5_000;

/** How a client shows who it is. `none`: an etcd without authentication, which refuses any token. */
export type StoreAuth =
  | { readonly kind: 'none' }
  /** The embedded store's own token. */
  | { readonly kind: 'token'; readonly token: string }
  /** A user of etcd: the token is asked for, and again when a member that was restarted has forgotten it. */
  | { readonly kind: 'login'; readonly name: string; readonly password: string };

/** What the agents, edges and tools of a deployment show its store. */
export const authOf = (kind: 'embedded' | 'etcd', secrets: { readonly storeToken: string }): StoreAuth =>
  kind === 'etcd'
    ? { kind: 'login', name: 'root', password: secrets.storeToken }
    : { kind: 'token', token: secrets.storeToken };

/**
 * A client of etcd's v3 JSON gateway: Debian's etcd and the embedded store alike. Connects with the first call.
 *
 * Outcomes: an answer is `done` or `refused` (codes `lease-gone`, `invalid-request`, `unauthenticated`, `store-full`,
 * `not-a-store`, `store-foreign`: another store answers than before). `store-unreachable`: no endpoint got anything.
 * `unknown`: some endpoint may have got it. Another endpoint is tried when the first certainly got nothing, or when
 * repeating does no harm (reads, keepalives).
 */
export function connectStore(options: StoreOptions): Coordination {
  assert(options.urls.length > 0, 'a store has at least one endpoint');
  const session = new Session(options);
  return {
    txn: (compare, then, orElse = []) => session.call(txnCall(compare, then, orElse)),
    grant: (ttlMs) => session.call(grantCall(ttlMs)),
    keepAlive: (leaseId) => session.call(keepAliveCall(leaseId)),
    revoke: async (leaseId) => {
      const outcome = await session.call(revokeCall(leaseId));
      return outcome.kind === 'done' ? done<void>(undefined) : outcome;
    },
    watch: (prefix, fromRevision, handlers) => session.watch(prefix, fromRevision, handlers),
    close: async () => session.close(),
  };
}

class Session {
  readonly #options: StoreOptions;
  readonly #endpoints: readonly Endpoint[];
  readonly #watches = new Set<() => void>();
  readonly #credentials: Credentials;
  #loggingIn: Promise<Outcome<string>> | null = null;
  /** The endpoint that answered last. */
  #preferred = 0;
  #clusterId: string | null = null;
  #closed = false;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#credentials = { token: options.auth.kind === 'token' ? options.auth.token : null };
    this.#endpoints = options.urls.map((url) => endpointOf(url, this.#credentials));
  }

  /** Logs in first when that is how this store is used. A token that it no longer knows is replaced once: nothing was done. */
  async call<T>(call: EtcdCall<T>): Promise<Outcome<T>> {
    const { auth, clock, timeoutMs } = this.#options;
    const endMs = clock.nowMs() + timeoutMs;
    if (auth.kind !== 'login') return this.#send(call, endMs);
    for (let tries = 0; ; tries++) {
      if (this.#closed) return refused('store-closed', 'this client was closed');
      if (this.#credentials.token === null) {
        const login = await this.#login(auth, endMs);
        // Without a login nothing of the call was sent.
        if (login.kind !== 'done') return refused('store-unreachable', `not logged in: ${login.why}`);
      }
      const used = this.#credentials.token;
      const outcome = await this.#send(call, endMs);
      if (outcome.kind !== 'refused' || outcome.code !== 'unauthenticated' || tries > 0) return outcome;
      if (this.#credentials.token === used) this.#credentials.token = null;
    }
  }

  /** One login for all calls that wait for one. */
  #login(auth: Extract<StoreAuth, { kind: 'login' }>, endMs: number): Promise<Outcome<string>> {
    this.#loggingIn ??= this.#send(loginCall(auth.name, auth.password), endMs).then((login) => {
      this.#loggingIn = null;
      if (login.kind === 'done') this.#credentials.token = login.value;
      return login;
    });
    return this.#loggingIn;
  }

  async #send<T>(call: EtcdCall<T>, endMs: number): Promise<Outcome<T>> {
    const { clock } = this.#options;
    let cut: string | null = null;
    const failures: string[] = [];
    for (const [turn, index] of this.#order().entries()) {
      const endpoint = this.#endpoints[index];
      const leftMs = endMs - clock.nowMs();
      if (this.#closed || endpoint === undefined || leftMs <= 0) break;
      // Each endpoint gets its share of the time, but an answer that cannot be asked for twice is waited for to the end.
      const shareMs = Math.ceil(leftMs / (this.#endpoints.length - turn));
      const limits = { connectMs: shareMs, totalMs: call.repeatable ? shareMs : leftMs };
      const result = await exchange(clock, endpoint, call, limits);
      const outcome = result.kind === 'answered' ? this.#read(call, result) : null;
      if (outcome !== null && outcome.kind !== 'unknown') {
        this.#preferred = index;
        return outcome;
      }
      const why = `${endpoint.url.host}: ${outcome === null ? whyOf(result) : outcome.why}`;
      failures.push(why);
      // One that gave no answer is not asked first again: its place may be gone without a sign.
      if (this.#preferred === index) this.#preferred = (index + 1) % this.#endpoints.length;
      if (result.kind === 'not-sent') continue;
      cut = why;
      if (!call.repeatable) break;
    }
    if (cut !== null && !call.repeatable) return unknown(cut);
    if (this.#closed) return refused('store-closed', 'this client was closed');
    // A read or a keepalive without an answer changed nothing that anyone may rely on, but it may have arrived.
    return cut === null ? refused('store-unreachable', failures.join('; ')) : unknown(failures.join('; '));
  }

  /** A watch has no second try: it is opened with a token, and one that the store does not know is forgotten with its end. */
  watch(prefix: string, fromRevision: number, handlers: WatchHandlers): () => void {
    const { auth, clock, timeoutMs } = this.#options;
    if (auth.kind !== 'login' || this.#credentials.token !== null) return this.#watch(prefix, fromRevision, handlers);
    let stop: (() => void) | null = null;
    let over = false;
    void this.#login(auth, clock.nowMs() + timeoutMs).then((login) => {
      if (over || this.#closed) return;
      if (login.kind === 'done') stop = this.#watch(prefix, fromRevision, handlers);
      else handlers.onEnd(`not logged in: ${login.why}`);
    });
    return () => {
      over = true;
      stop?.();
    };
  }

  #watch(prefix: string, fromRevision: number, handlers: WatchHandlers): () => void {
    const used = this.#credentials.token;
    const stop = watchStore({
      endpoints: this.#order().flatMap((index) => this.#endpoints[index] ?? []),
      clock: this.#options.clock,
      timeoutMs: this.#options.timeoutMs,
      idleMs: this.#options.watchIdleMs ?? WATCH_IDLE_MS,
      sameStore: (clusterId) => this.#sameStore(clusterId),
      prefix,
      fromRevision,
      handlers: {
        onEvents: (events, revision) => handlers.onEvents(events, revision),
        onProgress: (revision) => handlers.onProgress?.(revision),
        onEnd: (why) => {
          this.#watches.delete(stop);
          const unknownToken = why.includes('auth token') || why.includes('permission denied');
          if (this.#options.auth.kind === 'login' && unknownToken && this.#credentials.token === used)
            this.#credentials.token = null;
          handlers.onEnd(why);
        },
      },
    });
    this.#watches.add(stop);
    return () => {
      this.#watches.delete(stop);
      stop();
    };
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#watches) stop();
    for (const endpoint of this.#endpoints) endpoint.agent.destroy();
  }

  #order(): number[] {
    return this.#endpoints.map((_, turn) => (this.#preferred + turn) % this.#endpoints.length);
  }

  /** Mod revisions mean nothing in another store, so one that was made again under the same address is refused. */
  #sameStore(clusterId: string): boolean {
    this.#clusterId ??= clusterId;
    return this.#clusterId === clusterId;
  }

  #read<T>(call: EtcdCall<T>, answer: Extract<Exchange, { kind: 'answered' }>): Outcome<T> {
    let json: unknown;
    try {
      json = JSON.parse(answer.body);
    } catch {
      json = undefined;
    }
    if (answer.status !== 200) return errorOutcome(answer.status, json);
    try {
      const { clusterId, value } = call.read(json);
      if (!this.#sameStore(clusterId)) {
        return refused('store-foreign', `store ${clusterId} answers where store ${this.#clusterId} did before`);
      }
      return value === undefined ? refused('lease-gone', 'the store no longer has this lease') : done(value);
    } catch (error) {
      return unknown(`an answer that is not etcd's: ${messageOf(error).slice(0, 200)}`);
    }
  }
}

const whyOf = (result: Exchange): string => (result.kind === 'answered' ? `status ${result.status}` : result.why);

/** gRPC codes that say for certain that nothing was done. All others may come after the store took the request. */
const DEFINITE: ReadonlyMap<number, string> = new Map([
  [3, 'invalid-request'],
  [5, 'lease-gone'],
  [7, 'unauthenticated'],
  [8, 'store-full'],
  [9, 'invalid-request'],
  [11, 'compacted'],
  [12, 'invalid-request'],
  [16, 'unauthenticated'],
]);

/** etcd's words for a token that is missing or older than a change of its users; the codes say "invalid argument". */
const TOKEN_ERRORS = new Set(['etcdserver: user name is empty', 'etcdserver: revision of auth store is old']);

function errorOutcome(status: number, json: unknown): Outcome<never> {
  const error = readError(json);
  if (error === null) {
    const why = `status ${status} without an error of etcd's`;
    return status < 500 ? refused('not-a-store', why) : unknown(why);
  }
  const code = TOKEN_ERRORS.has(error.message) ? 'unauthenticated' : DEFINITE.get(error.code);
  return code === undefined ? unknown(error.message) : refused(code, error.message);
}
