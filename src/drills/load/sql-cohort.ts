import { type LedgerRow, rowId } from '../ledger.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import { inFlightBudget, type SqlCohortConfig } from './config.ts';
import { runOpenLoop } from './open-loop.ts';
import { SqlSession } from './sql-session.ts';

type Record = (row: LedgerRow) => void;

interface Intention {
  readonly seq: number;
  readonly id: string;
  readonly intendedMs: number;
  readonly startedMs: number;
  sentMs: number | null;
  settled: boolean;
  timer: NodeJS.Timeout | null;
}

/** Writers of one region: an open loop of INSERTs over sessions that stay open. Every intention becomes one ledger row. */
export class SqlCohort {
  readonly #config: SqlCohortConfig;
  readonly #drill: string;
  readonly #record: Record;
  readonly #sessions: readonly SqlSession[];
  /** A set, in order of release: a session that broke while idle and came back must not be here twice. */
  readonly #idle = new Set<SqlSession>();
  readonly #waiting: Intention[] = [];
  #inFlight = 0;

  constructor(config: SqlCohortConfig, drill: string, password: string, record: Record) {
    this.#config = config;
    this.#drill = drill;
    this.#record = record;
    this.#sessions = Array.from(
      { length: config.sessions },
      (_, number) => new SqlSession(number, config, password, (session) => this.#release(session)),
    );
  }

  /** Runs until the signal, then until every answer that is owed has come or its deadline passed. */
  async run(startMs: number, signal: AbortSignal): Promise<void> {
    const sessions = this.#sessions.map((session) => session.run());
    await runOpenLoop(startMs, this.#config.ratePerSecond, signal, (seq, intendedMs) => this.#intend(seq, intendedMs));
    while (this.#inFlight > 0) await pause(10);
    await Promise.all(this.#sessions.map((session) => session.stop()));
    await Promise.all(sessions);
  }

  #intend(seq: number, intendedMs: number): void {
    const startedMs = monotonicMs();
    const id = rowId(this.#drill, this.#config.name, 'sql-write', seq);
    const intention: Intention = {
      seq,
      id,
      intendedMs,
      startedMs,
      sentMs: null,
      settled: false,
      timer: null,
    };
    this.#inFlight++;
    if (this.#inFlight > inFlightBudget(this.#config.ratePerSecond, this.#config.deadlineMs)) {
      return this.#settle(intention, { outcome: 'fail', code: 'in-flight-budget' });
    }
    const waitMs = Math.max(0, intendedMs + this.#config.poolWaitMs - startedMs);
    intention.timer = setTimeout(() => this.#giveUpWaiting(intention), waitMs);
    this.#waiting.push(intention);
    this.#dispatch();
  }

  #release(session: SqlSession): void {
    this.#idle.add(session);
    this.#dispatch();
  }

  #dispatch(): void {
    for (const session of this.#idle) {
      const intention = this.#waiting[0];
      if (intention === undefined) return;
      this.#idle.delete(session);
      if (!session.usable) continue; // it broke while idle; it comes back by itself
      this.#waiting.shift();
      void this.#carry(intention, session);
    }
  }

  async #carry(intention: Intention, session: SqlSession): Promise<void> {
    const reused = session.reused;
    intention.sentMs = monotonicMs();
    if (intention.timer !== null) clearTimeout(intention.timer);
    const leftMs = Math.max(0, intention.intendedMs + this.#config.deadlineMs - intention.sentMs);
    intention.timer = setTimeout(() => this.#expire(intention, session), leftMs);
    const result = await session.insert(intention.id, this.#config.name, intention.seq);
    this.#settle(intention, { ...result, session: session.number, reused });
    if (session.usable) this.#release(session);
  }

  #giveUpWaiting(intention: Intention): void {
    const place = this.#waiting.indexOf(intention);
    if (place >= 0) this.#waiting.splice(place, 1);
    this.#settle(intention, { outcome: 'fail', code: 'no-free-session' });
  }

  #expire(intention: Intention, session: SqlSession): void {
    this.#settle(intention, { outcome: 'info', code: 'deadline', session: session.number });
    session.abandon();
  }

  #settle(intention: Intention, answer: Pick<LedgerRow, 'outcome' | 'code'> & Partial<LedgerRow>): void {
    if (intention.settled) return;
    intention.settled = true;
    if (intention.timer !== null) clearTimeout(intention.timer);
    this.#inFlight--;
    this.#record({
      kind: 'attempt',
      cohort: this.#config.name,
      op: 'sql-write',
      id: intention.id,
      seq: intention.seq,
      intendedMs: intention.intendedMs,
      startedMs: intention.startedMs,
      sentMs: intention.sentMs,
      doneMs: monotonicMs(),
      outcome: answer.outcome,
      code: answer.code,
      region: null,
      timeline: answer.timeline ?? null,
      lsn: answer.lsn ?? null,
      session: answer.session ?? null,
      reused: answer.reused ?? false,
    });
  }
}
