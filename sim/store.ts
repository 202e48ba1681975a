import { memoryStore, type MemoryStore } from '../src/coordination/memory.ts';
import type { PlaceId } from '../src/base/ids.ts';
import { type Outcome, unknown } from '../src/base/result.ts';
import type { Compare, Coordination, Lease, Op, TxnResult, WatchHandlers } from '../src/ports/coordination.ts';
import { type Machine, Process } from './clock.ts';
import { type Links, Pipe } from './links.ts';
import type { Rng } from './rng.ts';

const WATCH_IDLE_MS = 5_000;
const PROGRESS_EVERY_MS = 1_000;

/** The store on its site: the engine of the embedded server, behind links, with a process that can die, freeze or be slow. */
export class SimStore {
  readonly place: PlaceId;
  readonly machine: Machine;
  readonly #links: Links;
  readonly rng: Rng;
  readonly #memory: MemoryStore;
  readonly #leases = new Set<string>();
  process: Process;
  /** Extra time for each request, up to this. */
  slowMs = 0;
  /** Chance that a request arrives only after its caller gave up. */
  lateChance = 0;

  constructor(place: PlaceId, machine: Machine, links: Links, rng: Rng) {
    this.place = place;
    this.machine = machine;
    this.#links = links;
    this.rng = rng;
    this.process = new Process('store', machine);
    // The disk and its clock outlive the process.
    this.#memory = memoryStore(new Process('store disk', machine));
  }

  /** For judges: no link, no fault. */
  direct(): Coordination {
    return this.#memory.connect();
  }

  kill(): void {
    this.process.kill();
  }

  /** P2.4: after a restart every lease gets its full time again. */
  restart(): void {
    if (this.process.alive) return;
    this.process = new Process('store', this.machine);
    this.#renewAll();
  }

  thaw(): void {
    this.process.thaw();
    this.#renewAll();
  }

  #renewAll(): void {
    const direct = this.direct();
    for (const lease of this.#leases) void direct.keepAlive(lease);
  }

  connect(caller: Process, from: PlaceId, timeoutMs: number, crashPoint: (where: string) => void): Coordination {
    const direct = this.#memory.connect();
    const call = <T>(what: string, work: () => Promise<Outcome<T>>): Promise<Outcome<T>> => {
      crashPoint(`${what}: before`);
      return new Promise((resolve) => {
        const giveUp = caller.after(timeoutMs, () => resolve(unknown(`no answer within ${timeoutMs} ms`)));
        const answer = (outcome: Outcome<T>): void =>
          caller.deliver(() => {
            giveUp.cancel();
            resolve(outcome);
          });
        const there = new Pipe(this.#links, from, this.place, 'store');
        const back = new Pipe(this.#links, this.place, from, 'store');
        const late =
          this.lateChance > 0 && this.rng.chance(this.lateChance) ? this.rng.between(timeoutMs, 4 * timeoutMs) : 0;
        there.send(() => {
          const server = this.process;
          if (!server.alive) return back.send(() => answer(unknown('connection refused')));
          const unplug = server.onDeath(() => back.send(() => answer(unknown('the connection was lost'))));
          server.after(this.slowMs > 0 ? this.rng.between(0, this.slowMs) : 0, () => {
            void work().then((outcome) => {
              unplug();
              crashPoint(`${what}: applied`);
              back.send(() => answer(outcome));
            });
          });
        }, late);
      });
    };
    return {
      txn: (compare: readonly Compare[], then: readonly Op[], orElse?: readonly Op[]) =>
        call<TxnResult>('txn', () => direct.txn(compare, then, orElse)),
      grant: (ttlMs) =>
        call<Lease>('grant', async () => {
          const granted = await direct.grant(ttlMs);
          if (granted.kind === 'done') this.#leases.add(granted.value.id);
          return granted;
        }),
      keepAlive: (lease) => call<Lease>('keepalive', () => direct.keepAlive(lease)),
      revoke: (lease) => call<void>('revoke', () => direct.revoke(lease)),
      watch: (prefix, fromRevision, handlers) => this.#watch(caller, from, timeoutMs, prefix, fromRevision, handlers),
      close: async () => undefined,
    };
  }

  /** A watch that is silent too long is opened again at the next revision; it ends when that does not work in time. */
  #watch(
    caller: Process,
    from: PlaceId,
    timeoutMs: number,
    prefix: string,
    fromRevision: number,
    handlers: WatchHandlers,
  ): () => void {
    let over = false;
    let next = fromRevision;
    let leave: () => void = () => undefined;
    const end = (why: string): void => {
      if (over) return;
      over = true;
      leave();
      handlers.onEnd(why);
    };
    const open = (): void => {
      leave();
      let heardAtMs = caller.nowMs();
      let created = false;
      let current = true;
      const there = new Pipe(this.#links, from, this.place, 'store');
      const back = new Pipe(this.#links, this.place, from, 'store');
      const leaves: (() => void)[] = [() => there.close(), () => back.close()];
      leave = () => {
        current = false;
        for (const one of leaves.splice(0)) one();
      };
      const here = (run: () => void): void =>
        back.send(() =>
          caller.deliver(() => {
            if (over || !current) return;
            heardAtMs = caller.nowMs();
            run();
          }),
        );
      const check = (): void => {
        if (over || !current) return;
        const silentMs = caller.nowMs() - heardAtMs;
        if (!created && silentMs >= timeoutMs) return end('the watch was not there in time');
        if (created && silentMs >= WATCH_IDLE_MS) return open();
        caller.after(Math.max(1, (created ? WATCH_IDLE_MS : timeoutMs) - silentMs), check);
      };
      check();
      there.send(() => {
        const server = this.process;
        if (!server.alive) return here(() => end('connection refused'));
        leaves.push(server.onDeath(() => here(() => end('the store closed the watch'))));
        server.deliver(() => {
          here(() => {
            created = true;
          });
          const stop = this.#memory.connect().watch(prefix, next, {
            onEvents: (events, revision) => {
              // A dead store tells nobody; its watchers read everything again.
              if (server.alive) server.deliver(() => here(() => tell(events, revision)));
            },
            onEnd: (why) => here(() => end(why)),
          });
          leaves.push(stop);
          const beat = (): void => {
            if (!server.alive || !current) return;
            here(() => undefined);
            server.after(PROGRESS_EVERY_MS, beat);
          };
          server.after(PROGRESS_EVERY_MS, beat);
        });
      });
      const tell: WatchHandlers['onEvents'] = (events, revision) => {
        if (revision < next) return;
        next = revision + 1;
        handlers.onEvents(events, revision);
      };
    };
    open();
    return () => {
      over = true;
      leave();
    };
  }
}
