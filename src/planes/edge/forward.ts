import type { Clock } from '../../base/clock.ts';
import type { PlaceId } from '../../base/ids.ts';
import { earn, newRetryBudget, type RetryBudget, spend } from '../../decide/routing/retry-budget.ts';
import type { Route } from '../../decide/routing/world.ts';
import type { AttemptEnd } from './attempt.ts';
import type { Changes } from './changes.ts';
import { type Counters, newCounters } from './counters.ts';
import type { Exchange } from './exchange.ts';
import type { EdgeLimits } from './limits.ts';
import { answerItself } from './own-answers.ts';
import { nextReplay, parseReplay, replayHeaders } from './replay.ts';
import type { Steering } from '../steering/steering.ts';
import type { Upstream } from './upstream.ts';

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

type Failed = Extract<AttemptEnd, { kind: 'failed' }>;

/** What became of a try: the client was served (or left), or nothing reached it and `failed` says why. */
type Tried = { readonly over: true } | { readonly over: false; readonly failed: Failed | null };

/** Carries requests to regions: which one next, again or not, and what the client hears when none could. */
export class Forwarder {
  readonly counters: Counters = newCounters();
  readonly #clock: Clock;
  readonly #limits: EdgeLimits;
  readonly #steering: Steering;
  readonly #upstreams: ReadonlyMap<PlaceId, Upstream>;
  readonly #changes: Changes;
  #budget: RetryBudget;

  constructor(
    clock: Clock,
    limits: EdgeLimits,
    steering: Steering,
    upstreams: ReadonlyMap<PlaceId, Upstream>,
    changes: Changes,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#steering = steering;
    this.#upstreams = upstreams;
    this.#changes = changes;
    this.#budget = newRetryBudget(clock.nowMs());
  }

  async forward(exchange: Exchange): Promise<void> {
    this.#budget = earn(this.#budget, exchange.receivedAtMs);
    if (exchange.request.kind === 'read') {
      this.counters.reads += 1;
      await this.#read(exchange);
    } else {
      this.counters.writes += 1;
      await this.#write(exchange);
    }
  }

  /**
   * A read may be asked again: elsewhere at once, and when every candidate has failed, again after a pause or a change, until
   * it is `readRetryForMs` old. What stops it earlier: a body that is gone, or a spent retry budget.
   */
  async #read(exchange: Exchange): Promise<void> {
    const deadlineMs = Math.min(exchange.receivedAtMs + this.#limits.readRetryForMs, exchange.deadlineMs);
    const tried = new Set<PlaceId>();
    let pauseMs = FIRST_PAUSE_MS;
    for (let first = true; ; first = false) {
      const route = this.#steering.route(exchange.client);
      if (first) this.#steering.count(route.wanted);
      if (route.refusal === 'fenced' || route.refusal === 'closed') return this.#readFailed(exchange, route, null);
      const left = route.candidates.filter((region) => !tried.has(region) && this.#upstreams.has(region));
      const [region] = left;
      if (region === undefined) {
        const leftMs = deadlineMs - this.#clock.nowMs();
        if (leftMs <= 0) return this.#readFailed(exchange, route, null);
        if (!(await this.#waitForChange(exchange, Math.min(leftMs, pauseMs)))) {
          return this.#readFailed(exchange, route, null);
        }
        tried.clear();
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
        continue;
      }
      tried.add(region);
      const result = await this.#try(
        exchange,
        region,
        route,
        this.#untilDeadline(exchange, this.#limits.readTryMs),
        left.length > 1,
      );
      if (result.over) return;
      if (result.failed !== null && !this.#mayRetry(exchange, result.failed, deadlineMs)) {
        return this.#readFailed(exchange, route, result.failed);
      }
      this.counters.retries += 1;
    }
  }

  #untilDeadline(exchange: Exchange, mostMs: number): number {
    return Math.max(1, Math.min(mostMs, exchange.deadlineMs - this.#clock.nowMs()));
  }

  /**
   * A write is sent at most once, and only to the region of the primary. Until it is sent it may wait for a region that can
   * take it: for a route table that names one, or for the connection to succeed. One with an idempotency key may be sent again
   * when its answer was lost, to whoever is the primary then: the application carries it out once.
   */
  async #write(exchange: Exchange): Promise<void> {
    const holdMs = exchange.idempotent ? this.#limits.readRetryForMs : this.#limits.writeHoldMs;
    const deadlineMs = Math.min(exchange.receivedAtMs + holdMs, exchange.deadlineMs);
    let pauseMs = FIRST_PAUSE_MS;
    for (let first = true; ; first = false) {
      const route = this.#steering.route(exchange.client);
      if (first) this.#steering.count(route.wanted);
      // Waiting would not help: whoever is the primary next, today's rule sends this client's writes nowhere.
      if (route.refusal === 'fenced' && exchange.unknownAt === null) return this.#refused(exchange, route);
      const leftMs = deadlineMs - this.#clock.nowMs();
      const [region] = route.candidates;
      const known = region !== undefined && this.#upstreams.has(region) && this.#tableIsNewEnough(exchange);
      if (known && (leftMs <= 0 || !this.#justFell(region))) {
        const result = await this.#try(
          exchange,
          region,
          route,
          this.#untilDeadline(exchange, this.#limits.writeAnswerMs),
          false,
        );
        if (result.over) return;
        if (result.failed?.code === 'invalid') return this.#invalid(exchange, route, result.failed);
        if (result.failed?.sent === true) {
          exchange.unknownAt = { region, text: result.failed.text };
          const again = exchange.idempotent && exchange.canBeSentAgain && this.#clock.nowMs() < deadlineMs;
          if (!again || !this.#spendRetry()) return this.#outcomeUnknown(exchange, route);
          this.counters.retries += 1;
        }
        // Nothing was sent. Unless a part of the body is lost, it can still go to whoever is the primary next.
        if (!exchange.canBeSentAgain) return this.#refused(exchange, route);
      }
      if (leftMs <= 0 || !(await this.#waitForChange(exchange, Math.min(leftMs, pauseMs)))) {
        return this.#refused(exchange, route);
      }
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  /**
   * Has this region just begun to look unhealthy? Then a takeover is likely on its way, and a write held back now can be
   * carried out, while one that is sent may end unknown. A region that has looked so for longer gets its writes at once:
   * then the mistake may be ours (I12).
   */
  #justFell(region: PlaceId): boolean {
    const verdict = this.#steering.verdict(region);
    if (verdict?.state !== 'unhealthy') return false;
    return this.#clock.nowMs() - verdict.sinceMs < this.#limits.writeHoldMs;
  }

  async #try(
    exchange: Exchange,
    region: PlaceId,
    route: Route,
    timeoutMs: number,
    othersLeft: boolean,
  ): Promise<Tried> {
    const upstream = this.#upstreams.get(region);
    if (upstream === undefined) return { over: false, failed: null };
    const { replay, request } = exchange;
    const headers = replay === null ? null : replayHeaders(replay, this.#steering.table?.epoch ?? 0);
    const end = await upstream.attempt(
      headers === null ? request : { ...request, headers: [...request.headers, ...headers] },
      {
        response: exchange.response,
        timeoutMs,
        holdBytes: this.#limits.holdBytes,
        added: exchange.addedHeaders(region, route),
        mayPassOver: () => othersLeft && exchange.canBeSentAgain && this.#spendRetry(),
      },
    );
    this.#learn(region, exchange.request.kind, end);
    switch (end.kind) {
      case 'answered':
        this.counters.answered += 1;
        return { over: true };
      case 'broken':
        this.counters.broken += 1;
        return { over: true };
      case 'client-gone':
        this.counters.clientGone += 1;
        return { over: true };
      case 'passed-over':
        exchange.noteFailure(region, `status-${end.status}`);
        return { over: false, failed: null };
      case 'replay':
        await this.#replay(exchange, region, route, end.value);
        return { over: true };
      case 'failed':
        exchange.noteFailure(region, end.code);
        return { over: false, failed: end };
    }
  }

  #tableIsNewEnough({ replay }: Exchange): boolean {
    return replay === null || (this.#steering.table?.epoch ?? 0) >= replay.leastEpoch;
  }

  /** The application that was asked wants the primary's to be asked instead (replay.ts). Residency holds as for any write (I11). */
  async #replay(exchange: Exchange, region: PlaceId, route: Route, value: string): Promise<void> {
    this.counters.replays += 1;
    const asked = parseReplay(value);
    const { table } = this.#steering;
    const primary = { region: table?.primary?.region ?? null, epoch: table?.epoch ?? 0 };
    const next = asked === null ? null : nextReplay(exchange.replay, region, asked, primary);
    const refuse = (status: 413 | 502 | 508, code: string, why: string): void => {
      if (exchange.unknownAt !== null) return this.#outcomeUnknown(exchange, route);
      answerItself(exchange, route, { status, code, text: `${why}; nothing was carried out`, outcome: 'refused' });
    };
    if (next === null) return refuse(502, 'bad-replay', `${region} answered with a farshore-replay that says nothing`);
    if (next === 'circle') return refuse(508, 'replay-circle', `${region} too asked for the primary's region`);
    if (!exchange.canBeSentAgain) {
      const text = `${region} asked for the primary, and the body is too large to be sent twice (${this.#limits.holdBytes} bytes)`;
      return refuse(413, 'replay-too-large', text);
    }
    exchange.goToPrimary(next);
    await this.#write(exchange);
  }

  /**
   * Passive health. An answer of any status shows that the region is there: a fault behind the application must not take
   * every region away. A slow write says nothing (commits wait for standbys), nor does a try that we gave up ourselves.
   */
  #learn(region: PlaceId, kind: 'read' | 'write', end: AttemptEnd): void {
    if (end.kind === 'answered' || end.kind === 'passed-over' || end.kind === 'replay')
      this.#steering.signal(region, true, 'request', 'ok');
    if (end.kind === 'broken') this.#steering.signal(region, false, 'request', 'reset');
    if (end.kind !== 'failed') return;
    const counts = end.code === 'connect' || end.code === 'reset' || (end.code === 'timeout' && kind === 'read');
    if (counts) this.#steering.signal(region, false, 'request', end.code);
  }

  /** False when the client left or too many wait already: stop. */
  async #waitForChange(exchange: Exchange, atMostMs: number): Promise<boolean> {
    if (exchange.clientGone || this.#changes.waiting >= this.#limits.maxWaiting) return false;
    // Spread, so that all that wait for one region do not knock at the same moment.
    await this.#changes.next(atMostMs * (0.5 + Math.random() / 2));
    return !exchange.clientGone;
  }

  #mayRetry(exchange: Exchange, failed: Failed, deadlineMs: number): boolean {
    if (failed.code === 'invalid' || !exchange.canBeSentAgain || this.#clock.nowMs() >= deadlineMs) return false;
    return !failed.sent || this.#spendRetry();
  }

  #spendRetry(): boolean {
    const left = spend(this.#budget, this.#clock.nowMs());
    if (left === null) this.counters.budgetSpent += 1;
    else this.#budget = left;
    return left !== null;
  }

  #readFailed(exchange: Exchange, route: Route, failed: Failed | null): void {
    if (exchange.clientGone) return;
    if (failed?.code === 'invalid') return this.#invalid(exchange, route, failed);
    this.counters.failedReads += 1;
    const fenced = route.refusal === 'fenced';
    const status = fenced ? 451 : failed === null ? 503 : failed.code === 'timeout' ? 504 : 502;
    const text = failed?.text ?? route.why[0]?.text ?? 'no region answered';
    const code = fenced ? 'residency' : 'no-region-answered';
    answerItself(exchange, route, { status, code, text, outcome: null });
  }

  #invalid(exchange: Exchange, route: Route, failed: Failed): void {
    answerItself(exchange, route, { status: 400, code: 'invalid-request', text: failed.text, outcome: 'refused' });
  }

  #refused(exchange: Exchange, route: Route): void {
    if (exchange.clientGone) return;
    if (exchange.unknownAt !== null) return this.#outcomeUnknown(exchange, route);
    this.counters.refusedWrites += 1;
    const fenced = route.refusal === 'fenced';
    const why = (route.refusal === null ? route.why.at(-1) : route.why[0])?.text ?? 'no region may accept writes now';
    const text = `the write was not sent to any region: ${why}`;
    const code = fenced ? 'residency' : 'refused';
    answerItself(exchange, route, { status: fenced ? 451 : 503, code, text, outcome: 'refused' });
  }

  #outcomeUnknown(exchange: Exchange, route: Route): void {
    this.counters.unknownWrites += 1;
    const { region, text: why } = exchange.unknownAt ?? { region: 'a region', text: 'no answer' };
    const text = `the write was sent to ${region}, which gave no whole answer (${why}); it may have been carried out`;
    answerItself(exchange, route, { status: 502, code: 'outcome-unknown', text, outcome: 'unknown' });
  }
}
