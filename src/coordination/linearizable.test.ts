import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Coordination } from '../ports/coordination.ts';
import { type Call, type Input, isLinearizable } from './linearizable.contract.ts';
import { memoryStore } from './memory.ts';
import { carryOut } from './register.contract.ts';
import { VirtualClock } from './virtual-clock.contract.ts';

const call = (input: Input, startMs: number, endMs: number, output: Call['output']): Call => ({
  input,
  startMs,
  endMs,
  output,
});

test('the checker tells right histories from wrong ones', () => {
  const write = call({ do: 'write', value: '1' }, 0, 10, true);
  const read = (startMs: number, endMs: number, output: string | null) => call({ do: 'read' }, startMs, endMs, output);
  expect(isLinearizable([write, read(5, 6, null), read(7, 8, '1')], null)).toBe(true);
  // Once read, a value is there for everyone who asks later.
  expect(isLinearizable([write, read(5, 6, '1'), read(7, 8, null)], null)).toBe(false);
  // A stale read after the write ended.
  expect(isLinearizable([write, read(11, 12, null)], null)).toBe(false);
  // Two that both won the same comparison.
  const cas = (to: string) => call({ do: 'cas', from: '1', to }, 20, 30, true);
  expect(isLinearizable([write, cas('2')], null)).toBe(true);
  expect(isLinearizable([write, cas('2'), cas('3')], null)).toBe(false);
  // An unknown write may have happened, late or never, but a read cannot take it back.
  const unknown = call({ do: 'write', value: '9' }, 0, Number.POSITIVE_INFINITY, undefined);
  expect(isLinearizable([unknown, read(50, 51, null)], null)).toBe(true);
  expect(isLinearizable([unknown, read(50, 51, null), read(60, 61, '9')], null)).toBe(true);
  expect(isLinearizable([unknown, read(50, 51, '9'), read(60, 61, null)], null)).toBe(false);
});

const value = fc.constantFrom('1', '2', '3');
const input: fc.Arbitrary<Input> = fc.oneof(
  fc.record({ do: fc.constant('read' as const) }),
  fc.record({ do: fc.constant('write' as const), value }),
  fc.record({ do: fc.constant('cas' as const), from: value, to: value }),
);
const request = fc.record({ input, thereMs: fc.nat(20), backMs: fc.nat(20), lost: fc.boolean() });

test('memory: histories of clients behind a slow network that loses answers are linearizable', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(request, { maxLength: 4 }), { minLength: 2, maxLength: 3 }), async (clients) => {
      const clock = new VirtualClock();
      const store = memoryStore(clock);
      const calls: Call[] = [];
      const running = clients.map(async (requests) => {
        const client: Coordination = store.connect();
        for (const one of requests) {
          const startMs = clock.nowMs();
          await clock.sleep(one.thereMs);
          const output = await carryOut(client, '/register', one.input);
          await clock.sleep(one.backMs);
          const known = !one.lost;
          const endMs = known ? clock.nowMs() : Number.POSITIVE_INFINITY;
          calls.push({ input: one.input, startMs, endMs, output: known ? output : undefined });
        }
      });
      await clock.advance(1_000);
      await Promise.all(running);
      expect(calls).toHaveLength(clients.flat().length);
      expect(isLinearizable(calls, null)).toBe(true);
      store.close();
    }),
    { numRuns: 150 },
  );
});
