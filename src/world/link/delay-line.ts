/**
 * One direction of a link: a single queue in which everything waits the same time, whatever connection it belongs to.
 *
 * A cut stops the queue; nothing is dropped or closed, as TCP keeps unacknowledged bytes. After a cut each lane resumes
 * where TCP's retransmission would: the sender doubles its wait from 200 ms on, so the longer the cut, the later it notices.
 * A loss holds back one lane in the same way, in order, as TCP does.
 */
export interface LineTime {
  nowMs(): number;
  /** Calls `run` once after `delayMs`; the result cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

/** What travels: the handshake of a connection, its bytes, its half-close, its end. */
export type Parcel =
  | { readonly kind: 'open' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'end' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'data'; readonly bytes: Buffer };

/** One direction of one connection. `deliver` is called at the far end, in the order of `send`. */
export interface Lane {
  deliver(parcel: Parcel): void;
  /** The line has room again after `isFull` was true. */
  hasRoom(): void;
}

interface Entry {
  readonly lane: Lane;
  readonly parcel: Parcel;
  readonly sentMs: number;
  readonly dueMs: number;
}

const FIRST_RETRANSMIT_MS = 200;
/** Linux goes up to 120 s. Here a lane resumes sooner, so that a drill on a laptop ends. */
const LONGEST_RESUME_MS = 3_000;

/** How long after the heal a sender that began to wait `waitedMs` ago tries again: at 200 ms, 600 ms, 1.4 s, 3 s … */
export function resumeDelayMs(waitedMs: number): number {
  let at = FIRST_RETRANSMIT_MS;
  let step = FIRST_RETRANSMIT_MS;
  while (at < waitedMs) {
    step *= 2;
    at += step;
  }
  return Math.min(at - waitedMs, LONGEST_RESUME_MS);
}

const sizeOf = (parcel: Parcel): number => (parcel.kind === 'data' ? parcel.bytes.length : 0);

export class DelayLine {
  readonly #time: LineTime;
  readonly #maxBytes: number;
  readonly #baseDelayMs: number;
  readonly #random: () => number;
  #extraDelayMs = 0;
  #lossShare = 0;
  #cut = false;
  #queue: Entry[] = [];
  #head = 0;
  #lastDueMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | null = null;
  /** Lanes that resume late after a cut, with what has arrived for them meanwhile. */
  readonly #held = new Map<Lane, Entry[]>();
  readonly #waiting = new Set<Lane>();
  #bytesInFlight = 0;
  #bytesDelivered = 0;
  #bytesDropped = 0;

  constructor(time: LineTime, delayMs: number, maxBytes: number, random: () => number = () => 1) {
    this.#time = time;
    this.#random = random;
    this.#baseDelayMs = delayMs;
    this.#maxBytes = maxBytes;
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }
  get bytesDelivered(): number {
    return this.#bytesDelivered;
  }
  get bytesDropped(): number {
    return this.#bytesDropped;
  }

  /** True when `lane` must stop reading; its `hasRoom` is called later. */
  isFull(lane: Lane): boolean {
    if (this.#bytesInFlight < this.#maxBytes) return false;
    this.#waiting.add(lane);
    return true;
  }

  send(lane: Lane, parcel: Parcel): void {
    const nowMs = this.#time.nowMs();
    const delayMs = this.#baseDelayMs + this.#extraDelayMs;
    const entry = { lane, parcel, sentMs: nowMs, dueMs: Math.max(this.#lastDueMs, nowMs + delayMs) };
    this.#lastDueMs = entry.dueMs;
    this.#bytesInFlight += sizeOf(parcel);
    if (delayMs === 0 && !this.#cut && this.#isEmpty()) {
      this.#arrive(entry);
      return;
    }
    this.#queue.push(entry);
    this.#arm();
  }

  setExtraDelay(extraDelayMs: number): void {
    this.#extraDelayMs = extraDelayMs;
  }

  /** This share of what is sent is lost once: its lane stands still until TCP sends it again. */
  setLosses(share: number): void {
    this.#lossShare = share;
  }

  cut(): void {
    this.#cut = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** Up again. Lanes with bytes underway resume with TCP's backoff; empty ones at once. */
  heal(): void {
    if (!this.#cut) return;
    this.#cut = false;
    const nowMs = this.#time.nowMs();
    for (let i = this.#head; i < this.#queue.length; i++) {
      const entry = this.#queue[i];
      if (entry === undefined || this.#held.has(entry.lane)) continue;
      this.#holdUntil(entry.lane, resumeDelayMs(nowMs - entry.sentMs) + this.#baseDelayMs);
    }
    this.#arm();
  }

  /**
   * The sender of `lane` died. What was on the wire still arrives; what waits behind a cut, or for a retransmission, never
   * left it. Then its peer sees a reset.
   */
  severSender(lane: Lane): void {
    const held = this.#held.get(lane);
    if (held !== undefined) {
      for (const entry of held) this.#drop(entry);
      held.length = 0;
    }
    if (this.#cut || held !== undefined) {
      const rest = this.#queue.slice(this.#head);
      this.#queue = rest.filter((entry) => entry.lane !== lane);
      this.#head = 0;
      for (const entry of rest) if (entry.lane === lane) this.#drop(entry);
    }
    this.send(lane, { kind: 'reset' });
    this.#announceRoom();
  }

  #isEmpty(): boolean {
    return this.#head === this.#queue.length;
  }

  #drop(entry: Entry): void {
    const size = sizeOf(entry.parcel);
    this.#bytesInFlight -= size;
    this.#bytesDropped += size;
  }

  #holdUntil(lane: Lane, delayMs: number): void {
    this.#held.set(lane, []);
    this.#time.after(delayMs, () => {
      if (this.#cut) {
        // Cut again before the retransmission: it waits for the next heal, with what was held in front.
        const again = this.#held.get(lane) ?? [];
        this.#held.delete(lane);
        this.#queue = [...again, ...this.#queue.slice(this.#head)];
        this.#head = 0;
        return;
      }
      // Deleted only after the loop: what a delivery sends on the same lane must queue up behind the rest.
      for (const entry of this.#held.get(lane) ?? []) this.#hand(entry);
      this.#held.delete(lane);
      this.#announceRoom();
    });
  }

  #arm(): void {
    if (this.#cut || this.#cancelTimer !== null) return;
    const next = this.#queue[this.#head];
    if (next === undefined) return;
    this.#cancelTimer = this.#time.after(Math.max(0, next.dueMs - this.#time.nowMs()), () => {
      this.#cancelTimer = null;
      this.#run();
    });
  }

  #run(): void {
    // Timers have a grain of one millisecond: half of it early is nearer to the target than half of it late.
    const untilMs = this.#time.nowMs() + 0.5;
    while (!this.#cut) {
      const entry = this.#queue[this.#head];
      if (entry === undefined || entry.dueMs > untilMs) break;
      this.#head++;
      this.#arrive(entry);
    }
    if (this.#head > 1_024 || this.#isEmpty()) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    this.#arm();
  }

  #arrive(entry: Entry): void {
    const held = this.#held.get(entry.lane);
    if (held !== undefined) {
      held.push(entry);
      return;
    }
    if (entry.parcel.kind === 'data' && this.#random() < this.#lossShare) {
      this.#holdUntil(entry.lane, FIRST_RETRANSMIT_MS + this.#baseDelayMs);
      this.#held.get(entry.lane)?.push(entry);
      return;
    }
    this.#hand(entry);
    this.#announceRoom();
  }

  #hand(entry: Entry): void {
    const size = sizeOf(entry.parcel);
    this.#bytesInFlight -= size;
    this.#bytesDelivered += size;
    entry.lane.deliver(entry.parcel);
  }

  #announceRoom(): void {
    if (this.#waiting.size === 0 || this.#bytesInFlight > this.#maxBytes / 2) return;
    const lanes = [...this.#waiting];
    this.#waiting.clear();
    for (const lane of lanes) lane.hasRoom();
  }
}
