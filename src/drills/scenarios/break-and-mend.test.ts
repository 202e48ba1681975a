import { describe, expect, it } from 'vitest';
import type { Stage } from '../trial/scenario.ts';
import { type Broken, breakAndMend } from './break-and-mend.ts';

/** A stage on which all goes as it should. */
const stage = {
  expected: { primary: 'move', hit: 'a:1' },
  mark: () => undefined,
  stable: async () => undefined,
  readNewPrimary: async () => null,
  whole: async () => ({ atMs: null, syncedMs: null, holds: false, why: '' }),
} as unknown as Stage;

function broken(why: string | null): { readonly fault: Broken; readonly calls: string[] } {
  const calls: string[] = [];
  const fault: Broken = {
    fromMs: 0,
    effectiveMs: 0,
    processes: 1,
    what: 'a:1 stands still',
    evidence: '',
    stillInForce: async () => {
      calls.push('look');
      return why;
    },
    undo: async () => {
      calls.push('undo');
      return { complete: true, left: [] };
    },
  };
  return { fault, calls };
}

describe('what is broken for a trial', () => {
  it('is looked at again before it is undone', async () => {
    const { fault, calls } = broken(null);
    const acts = await breakAndMend(stage, async () => fault);
    expect(calls).toEqual(['look', 'undo']);
    expect(acts.injected).not.toHaveProperty('lapsed');
  });

  it('and was over by then, says so', async () => {
    const { fault } = broken('it was undone by somebody else');
    const acts = await breakAndMend(stage, async () => fault);
    expect(acts.injected?.lapsed).toBe('it was undone by somebody else');
  });
});
