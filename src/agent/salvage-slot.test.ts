import { describe, expect, it } from 'vitest';
import { A, B, C, record, standby } from '../decide/failover/testing.ts';
import { flushedByAll } from './salvage-slot.ts';

const streams = (node: typeof A, flushLsn: string | null) => ({
  node,
  epoch: 4,
  state: 'streaming' as const,
  flushLsn,
  replayLsn: flushLsn,
  syncState: 'quorum' as const,
});

describe('flushedByAll (P8.3)', () => {
  it('is what the slowest of the recorded names has, and nothing while one is not seen', () => {
    const both = standby({ state: 'primary', standbys: [streams(B, '0/A00'), streams(C, '0/900')] });
    expect(flushedByAll(record(), both)).toBe('0/900');
    expect(flushedByAll(record({ names: [B] }), both)).toBe('0/A00');
    expect(flushedByAll(record(), standby({ standbys: [streams(B, '0/A00')] }))).toBeNull();
    expect(flushedByAll(record(), standby({ standbys: [streams(B, '0/A00'), streams(C, null)] }))).toBeNull();
    expect(flushedByAll(record({ w: 0, names: [] }), both)).toBeNull();
  });
});
