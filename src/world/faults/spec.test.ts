import { describe, expect, it } from 'vitest';
import { nodeId, placeId } from '../../base/ids.ts';
import type { WorldLayout } from '../layout.ts';
import { type AnySpec, describe as say, keysOf, linksOf, overlap } from './spec.ts';

const [a, b, c] = [placeId('x:a'), placeId('x:b'), placeId('x:c')];
/** Its name begins as another's. */
const ab = placeId('x:a-b');
const pairs = [a, b, c].flatMap((from) => [a, b, c].filter((to) => to !== from).map((to) => ({ from, to })));
/** a and b hold data; c has the store. */
const layout = {
  places: [],
  processes: [
    { place: a, node: nodeId(a, 'n1') },
    { place: a, node: nodeId(a, 'n2') },
    { place: ab, node: nodeId(ab, 'n1') },
  ],
  links: pairs.map((pair) => ({
    ...pair,
    near: pair.to === c ? { store: 1 } : {},
    nearNodes: pair.to === c ? {} : { n1: { postgres: 2 } },
  })),
} as unknown as WorldLayout;

const touched = (spec: AnySpec) => linksOf(layout, spec).map(({ link }) => `${link.from} → ${link.to}`);

describe('which links a fault takes', () => {
  it.each<readonly [AnySpec, readonly string[]]>([
    [{ kind: 'blackhole', place: a }, ['x:a → x:b', 'x:a → x:c', 'x:b → x:a', 'x:c → x:a']],
    [{ kind: 'cut', how: 'store', place: a }, ['x:a → x:c']],
    [{ kind: 'cut', how: 'replication', place: a }, ['x:a → x:b', 'x:b → x:a', 'x:c → x:a']],
    [{ kind: 'cut', how: 'pair', from: a, to: b }, ['x:a → x:b', 'x:b → x:a']],
    [{ kind: 'cut', how: 'one-way', from: a, to: b }, ['x:a → x:b']],
    [{ kind: 'crash', place: a }, []],
  ])('%j', (spec, links) => {
    expect(touched(spec)).toEqual(links);
  });

  it('cuts one service and leaves the others', () => {
    const [store] = linksOf(layout, { kind: 'cut', how: 'store', place: a });
    expect(store?.fault).toEqual({ state: 'cut', extraDelayMs: 0, services: ['store'] });
  });

  it('says what does not exist', () => {
    const nowhere = placeId('x:z');
    expect(() => keysOf(layout, { kind: 'freeze', place: nowhere })).toThrow('x:z is no place or node');
    expect(() => keysOf(layout, { kind: 'blackhole', place: nowhere })).toThrow('x:z has no link');
    expect(say({ kind: 'cut', how: 'pair', from: a, to: b })).toBe('cut pair x:a → x:b');
  });
});

describe('two faults that touch the same', () => {
  const share = (one: AnySpec, other: AnySpec) => overlap(keysOf(layout, one), keysOf(layout, other));

  it('share a link, a service of it, or the processes of a place', () => {
    const store: AnySpec = { kind: 'cut', how: 'store', place: a };
    expect(share({ kind: 'blackhole', place: a }, store)).toBe(true);
    expect(share(store, { kind: 'blackhole', place: c })).toBe(true);
    expect(share({ kind: 'crash', place: a }, { kind: 'freeze', place: a })).toBe(true);
  });

  it('share the processes of a node and of its place', () => {
    expect(share({ kind: 'freeze', place: a }, { kind: 'freeze', place: nodeId(a, 'n1') })).toBe(true);
    expect(share({ kind: 'crash', place: nodeId(a, 'n1') }, { kind: 'wedge', place: a })).toBe(true);
    expect(share({ kind: 'freeze', place: nodeId(a, 'n1') }, { kind: 'freeze', place: nodeId(a, 'n2') })).toBe(false);
    expect(share({ kind: 'freeze', place: a }, { kind: 'freeze', place: nodeId(ab, 'n1') })).toBe(false);
  });

  it('may stand side by side otherwise', () => {
    const store: AnySpec = { kind: 'cut', how: 'store', place: a };
    expect(share(store, { kind: 'cut', how: 'replication', place: a })).toBe(false);
    expect(share(store, { kind: 'cut', how: 'pair', from: a, to: b })).toBe(false);
    expect(share({ kind: 'blackhole', place: a }, { kind: 'freeze', place: a })).toBe(false);
  });
});
