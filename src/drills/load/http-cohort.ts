import { Agent, type IncomingMessage, request } from 'node:http';
import { type LedgerRow, type Op, type OutcomeClass, rowId } from '../ledger.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import { type HttpCohortConfig, inFlightBudget } from './config.ts';
import { NamedAgent } from './named-agent.ts';
import { runOpenLoop } from './open-loop.ts';
import { classifyBroken, classifyHttpRead, classifyHttpWrite, OUTCOME_HEADER } from './outcome.ts';

type Record = (row: LedgerRow) => void;
type Answer = Pick<LedgerRow, 'sentMs' | 'outcome' | 'code' | 'region' | 'reused'>;

/** Reads ask for orders acknowledged at least this long ago, so that a missing one is staleness worth counting. */
export const READ_AFTER_MS = 2_000;
const KEPT_ORDERS = 200;

/** Users of one region's edge. No retries: what the edge does about a dead region is what is measured. */
export class HttpCohort {
  readonly #config: HttpCohortConfig;
  readonly #drill: string;
  readonly #record: Record;
  readonly #agent: Agent;
  readonly #acknowledged: { readonly id: string; readonly doneMs: number }[] = [];
  #inFlight = 0;

  constructor(config: HttpCohortConfig, drill: string, record: Record) {
    this.#config = config;
    this.#drill = drill;
    this.#record = record;
    const options = { keepAlive: config.connections === 'kept', maxSockets: this.#budget() };
    this.#agent = config.resolve === null ? new Agent(options) : new NamedAgent(options, config.resolve);
  }

  /** Runs until the signal, then until every answer that is owed has come or its deadline passed. */
  async run(startMs: number, signal: AbortSignal): Promise<void> {
    const { writesPerSecond, readsPerSecond } = this.#config;
    await Promise.all([
      runOpenLoop(startMs, writesPerSecond, signal, (seq, at) => void this.#attempt('http-write', seq, at)),
      runOpenLoop(startMs, readsPerSecond, signal, (seq, at) => void this.#attempt('http-read', seq, at)),
    ]);
    while (this.#inFlight > 0) await pause(10);
    this.#agent.destroy();
  }

  #budget(): number {
    const { writesPerSecond, writeDeadlineMs, readsPerSecond, readDeadlineMs } = this.#config;
    return inFlightBudget(writesPerSecond, writeDeadlineMs) + inFlightBudget(readsPerSecond, readDeadlineMs);
  }

  async #attempt(op: Op, seq: number, intendedMs: number): Promise<void> {
    const startedMs = monotonicMs();
    const id = op === 'http-write' ? rowId(this.#drill, this.#config.name, op, seq) : this.#orderToRead(startedMs);
    const deadlineMs = op === 'http-write' ? this.#config.writeDeadlineMs : this.#config.readDeadlineMs;
    this.#inFlight++;
    const answer: Answer =
      this.#inFlight > this.#budget()
        ? { sentMs: null, outcome: 'fail', code: 'in-flight-budget', region: null, reused: false }
        : await this.#send(op, id, intendedMs + deadlineMs);
    this.#inFlight--;
    const doneMs = monotonicMs();
    if (op === 'http-write' && answer.outcome === 'ok') this.#remember(id, doneMs);
    const who = { kind: 'attempt', cohort: this.#config.name, op, id, seq } as const;
    const served = { timeline: null, lsn: null, session: null };
    this.#record({ ...who, intendedMs, startedMs, doneMs, ...served, ...answer });
  }

  #remember(id: string, doneMs: number): void {
    this.#acknowledged.push({ id, doneMs });
    if (this.#acknowledged.length > KEPT_ORDERS) this.#acknowledged.shift();
  }

  #orderToRead(nowMs: number): string {
    return this.#acknowledged.findLast((order) => order.doneMs <= nowMs - READ_AFTER_MS)?.id ?? `${this.#drill}.none`;
  }

  #send(op: Op, id: string, deadlineMs: number): Promise<Answer> {
    const body = op === 'http-write' ? JSON.stringify({ id, item: 'drill', quantity: 1 }) : null;
    return new Promise((resolve) => {
      let sentMs: number | null = null;
      const settle = (outcome: OutcomeClass, code: string | null, region: string | null = null) => {
        clearTimeout(timer);
        resolve({
          sentMs,
          outcome: op === 'http-read' && outcome === 'info' ? 'fail' : outcome,
          code,
          region,
          reused: sending.reusedSocket,
        });
      };
      const sending = request({
        host: this.#config.host,
        port: this.#config.port,
        agent: this.#agent,
        method: body === null ? 'GET' : 'POST',
        path: body === null ? `/orders/${encodeURIComponent(id)}` : '/orders',
        headers: body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      });
      const timer = setTimeout(
        () => {
          settle(classifyBroken(sentMs !== null), 'deadline');
          sending.destroy();
        },
        Math.max(0, deadlineMs - monotonicMs()),
      );
      sending.on('socket', (socket) => {
        if (!socket.connecting) sentMs = monotonicMs();
        else socket.once('connect', () => void (sentMs = monotonicMs()));
      });
      sending.on('error', (error) =>
        settle(classifyBroken(sentMs !== null), 'code' in error ? String(error.code) : error.message),
      );
      sending.on('response', (response) => readAnswer(response, op, settle));
      sending.end(body);
    });
  }
}

/** The answer counts when its last byte is here: a body that breaks off acknowledges nothing. */
function readAnswer(
  response: IncomingMessage,
  op: Op,
  settle: (outcome: OutcomeClass, code: string | null, region: string | null) => void,
): void {
  const region = headerOf(response, 'x-farshore-region');
  response.resume();
  response.on('error', () => settle('info', 'body-broken', region));
  response.on('end', () => {
    const status = response.statusCode ?? 0;
    const refused = headerOf(response, OUTCOME_HEADER) === 'refused';
    const outcome = op === 'http-read' ? classifyHttpRead(status) : classifyHttpWrite(status, refused);
    settle(outcome, String(status), region);
  });
}

const headerOf = (response: IncomingMessage, name: string): string | null => {
  const value = response.headers[name];
  return typeof value === 'string' ? value : null;
};
