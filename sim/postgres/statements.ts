import { type Outcome, unknown } from '../../src/base/result.ts';
import type { Process } from '../clock.ts';
import type { PgHost } from './host.ts';
import type { PgServer } from './server.ts';

const QUERY_TIMEOUT_MS = 5_000;
const POLL_MS = 10;

/** A statement that got no answer: what it asked for may have happened. */
class NoAnswer extends Error {}

/** Where a process may be killed in the middle of what it does: before and after every statement and call. */
export type CrashPoint = (where: string) => void;

/** Statements of one process to its PostgreSQL: each may be answered late or never, and the asker may die at any of them. */
export class Statements {
  readonly #host: PgHost;
  readonly #caller: Process;
  readonly #crashPoint: CrashPoint;

  constructor(host: PgHost, caller: Process, crashPoint: CrashPoint) {
    this.#host = host;
    this.#caller = caller;
    this.#crashPoint = crashPoint;
  }

  deadlineIn(ms: number): number {
    return this.#caller.nowMs() + ms;
  }

  /** One statement: rejects with NoAnswer when the server does not answer in time or is not there. */
  query<T>(what: string, ask: (server: PgServer) => T, timeoutMs = QUERY_TIMEOUT_MS): Promise<T> {
    this.#crashPoint(`${what}: before`);
    return new Promise((resolve, reject) => {
      const server = this.#host.running;
      const caller = this.#caller;
      if (server === null || server.state === 'starting') {
        caller.after(0.1, () => reject(new NoAnswer('connection refused')));
        return;
      }
      const giveUp = caller.after(timeoutMs, () => reject(new NoAnswer(`no answer within ${timeoutMs} ms`)));
      const ended = server.process.onDeath(() =>
        caller.deliver(() => {
          giveUp.cancel();
          reject(new NoAnswer('the connection was lost'));
        }),
      );
      caller.scheduler.after(this.#host.rng.between(0.05, 0.4), () =>
        server.process.deliver(() => {
          if (server.stopping) {
            ended();
            return caller.deliver(() => {
              giveUp.cancel();
              reject(new NoAnswer('the database system is shutting down'));
            });
          }
          const answer = ask(server);
          this.#crashPoint(`${what}: after`);
          ended();
          caller.deliver(() => {
            giveUp.cancel();
            resolve(answer);
          });
        }),
      );
    });
  }

  async guarded<T>(work: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    try {
      return await work();
    } catch (error) {
      return unknown(error instanceof Error ? error.message : String(error));
    }
  }

  async poll<T>(deadlineMs: number, look: () => Promise<T | null>): Promise<T | null> {
    for (;;) {
      const seen = await look();
      if (seen !== null) return seen;
      if (this.#caller.nowMs() >= deadlineMs) return null;
      await this.#caller.sleep(POLL_MS);
    }
  }
}
