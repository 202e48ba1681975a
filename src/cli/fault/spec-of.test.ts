import { describe, expect, it } from 'vitest';
import { nodeId, placeId } from '../../base/ids.ts';
import { specOf } from './spec-of.ts';

const west = placeId('aws:eu-west-1');
const east = placeId('aws:us-east-1');
const places = [west, east].map((id) => ({ id, nodes: [{ id: nodeId(id, 'n1') }] }));
const read = (text: string) => specOf(text.split(' '), { delayMs: null, byMs: null }, places);

describe('a fault that a person typed', () => {
  it('names places with and without the provider, and nodes', () => {
    expect(read('blackhole eu-west-1')).toEqual({ kind: 'blackhole', place: west });
    expect(read('freeze aws:eu-west-1/n1')).toEqual({ kind: 'freeze', place: 'aws:eu-west-1/n1' });
    expect(read('cut pair eu-west-1 us-east-1')).toEqual({ kind: 'cut', how: 'pair', from: west, to: east });
    expect(read('cut store us-east-1')).toEqual({ kind: 'cut', how: 'store', place: east });
    expect(read('cut us-east-1')).toEqual({ kind: 'cut', how: 'full', place: east });
    expect(read('slow-disk us-east-1')).toEqual({ kind: 'slow-disk', place: east, delayMs: 2_000 });
    expect(read('disk-full aws:eu-west-1/n1')).toEqual({ kind: 'disk-full', place: 'aws:eu-west-1/n1' });
    expect(read('clock-skew eu-west-1')).toEqual({ kind: 'clock-skew', place: west, byMs: 3_600_000 });
    expect(read('slow-link eu-west-1 us-east-1')).toMatchObject({ from: west, to: east, extraDelayMs: 50 });
  });

  it('is refused with what was meant, not guessed', () => {
    expect(() => read('blackhol eu-west-1')).toThrow('did you mean blackhole?');
    expect(() => read('freeze eu-wets-1')).toThrow('did you mean eu-west-1?');
  });
});
