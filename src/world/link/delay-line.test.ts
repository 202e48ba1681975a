import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DelayLine, type Lane, type LineTime, type Parcel, resumeDelayMs } from './delay-line.ts';

/** Time that only moves when told: timers run in order of their instant. */
class VirtualTime implements LineTime {
  #now = 0;
  #timers: { at: number; seq: number; run: () => void }[] = [];
  #seq = 0;
  nowMs(): number {
    return this.#now;
  }
  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.floor(delayMs), seq: this.#seq++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      this.#timers.sort((a, b) => a.at - b.at || a.seq - b.seq);
      const next = this.#timers[0];
      if (next === undefined || next.at > until) break;
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = until;
  }
}

class Recorder implements Lane {
  readonly got: { atMs: number; what: string }[] = [];
  rooms = 0;
  readonly #time: VirtualTime;
  constructor(time: VirtualTime) {
    this.#time = time;
  }
  deliver(parcel: Parcel): void {
    this.got.push({
      atMs: this.#time.nowMs(),
      what: parcel.kind === 'data' ? parcel.bytes.toString() : `<${parcel.kind}>`,
    });
  }
  hasRoom(): void {
    this.rooms++;
  }
  text(): string {
    return this.got.map((entry) => entry.what).join('');
  }
}

const data = (text: string): Parcel => ({ kind: 'data', bytes: Buffer.from(text) });
const setUp = (delayMs: number, maxBytes = 1_000) => {
  const time = new VirtualTime();
  return { time, line: new DelayLine(time, delayMs, maxBytes), a: new Recorder(time), b: new Recorder(time) };
};

describe('delay line', () => {
  it('delivers everything after the same delay, in order', () => {
    const { time, line, a } = setUp(40);
    line.send(a, data('x'));
    time.advance(10);
    line.send(a, data('y'));
    time.advance(29);
    expect(a.got).toEqual([]);
    time.advance(1);
    expect(a.got).toEqual([{ atMs: 40, what: 'x' }]);
    time.advance(10);
    expect(a.got[1]).toEqual({ atMs: 50, what: 'y' });
  });

  it('passes at once without delay', () => {
    const { line, a } = setUp(0);
    line.send(a, data('x'));
    expect(a.text()).toBe('x');
  });

  it('a loss comes a retransmission later, with all that follows on its lane; other lanes pass', () => {
    const time = new VirtualTime();
    const losses = [0.5, 0.01, 0.5, 0.5];
    const line = new DelayLine(time, 40, 1_000, () => losses.shift() ?? 0.5);
    const [a, b] = [new Recorder(time), new Recorder(time)];
    line.setLosses(0.02);
    line.send(a, data('1'));
    line.send(a, data('2'));
    line.send(a, data('3'));
    line.send(b, data('x'));
    time.advance(40);
    expect([a.text(), b.text()]).toEqual(['1', 'x']);
    time.advance(239);
    expect(a.text()).toBe('1');
    time.advance(1);
    expect(a.text()).toBe('123');
    expect(line.bytesInFlight).toBe(0);
  });

  it('never overtakes when the delay shrinks', () => {
    const { time, line, a } = setUp(10);
    line.setExtraDelay(500);
    line.send(a, data('slow'));
    line.setExtraDelay(0);
    line.send(a, data('-fast'));
    time.advance(1_000);
    expect(a.text()).toBe('slow-fast');
  });

  it('is full at its bound and says when there is room again', () => {
    const { time, line, a } = setUp(10, 4);
    line.send(a, data('123'));
    expect(line.isFull(a)).toBe(false);
    line.send(a, data('4'));
    expect(line.isFull(a)).toBe(true);
    time.advance(10);
    expect(a.rooms).toBe(1);
    expect(line.bytesInFlight).toBe(0);
  });

  it('a cut holds, a heal resumes with the backoff of TCP, nothing is lost', () => {
    const { time, line, a, b } = setUp(10);
    line.send(a, data('1'));
    line.cut();
    time.advance(1_000);
    line.send(a, data('2'));
    expect(a.text()).toBe('');
    line.heal();
    line.send(a, data('3'));
    line.send(b, data('idle before'));
    time.advance(11);
    expect(b.text()).toBe('idle before');
    expect(a.text()).toBe('');
    time.advance(3_100);
    expect(a.text()).toBe('123');
    expect(line.bytesInFlight).toBe(0);
  });

  it('a dead sender: what is on the wire arrives, then a reset', () => {
    const { time, line, a } = setUp(10);
    line.send(a, data('wire'));
    line.severSender(a);
    time.advance(10);
    expect(a.text()).toBe('wire<reset>');
    expect(line.bytesDropped).toBe(0);
  });

  it('a dead sender behind a cut: its bytes die with it, those of others stay', () => {
    const { time, line, a, b } = setUp(10);
    line.send(a, data('dead'));
    line.send(b, data('alive'));
    line.cut();
    line.severSender(a);
    line.heal();
    time.advance(5_000);
    expect(a.text()).toBe('<reset>');
    expect(b.text()).toBe('alive');
    expect(line.bytesDropped).toBe(4);
    expect(line.bytesInFlight).toBe(0);
  });

  it('a dead sender that waits for its retransmission loses what waits', () => {
    const { time, line, a } = setUp(10);
    line.send(a, data('dead'));
    line.cut();
    time.advance(2_000);
    line.heal();
    time.advance(11);
    line.severSender(a);
    time.advance(5_000);
    expect(a.text()).toBe('<reset>');
  });

  it('loses, doubles and reorders nothing under any schedule of cuts', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('send' as const), lane: fc.boolean() }),
      fc.record({ do: fc.constant('cut' as const) }),
      fc.record({ do: fc.constant('heal' as const) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
      fc.record({ do: fc.constant('slow' as const), ms: fc.integer({ min: 0, max: 50 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(0, 7, 40), (steps, delayMs) => {
        const { time, line, a, b } = setUp(delayMs);
        const sent = { a: '', b: '' };
        steps.forEach((it, i) => {
          if (it.do === 'send') {
            const [lane, name] = it.lane ? ([a, 'a'] as const) : ([b, 'b'] as const);
            sent[name] += `${i},`;
            line.send(lane, data(`${i},`));
          } else if (it.do === 'cut') line.cut();
          else if (it.do === 'heal') line.heal();
          else if (it.do === 'slow') line.setExtraDelay(it.ms);
          else time.advance(it.ms);
        });
        line.heal();
        time.advance(100_000);
        expect(a.text()).toBe(sent.a);
        expect(b.text()).toBe(sent.b);
        expect(line.bytesInFlight).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('resume after a cut', () => {
  it('follows the doubling of retransmissions, bounded', () => {
    expect(resumeDelayMs(0)).toBe(200);
    expect(resumeDelayMs(1_000)).toBe(400);
    expect(resumeDelayMs(3_000)).toBe(0);
    expect(resumeDelayMs(3_001)).toBe(3_000);
    expect(resumeDelayMs(60_000)).toBeLessThanOrEqual(3_000);
  });
});
