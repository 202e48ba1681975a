import { describe, expect, it } from 'vitest';
import { nodeId, placeId, type NodeId } from '../base/ids.ts';
import { because } from '../base/reason.ts';
import type { NodeStatus } from '../ports/status.ts';
import type { NodeAnswer } from '../world/open.ts';
import { whyHopeless } from './wait-ready.ts';

const [east, west] = [nodeId(placeId('aws:us-east-1'), 'n1'), nodeId(placeId('aws:us-west-2'), 'n1')];

const says = (node: NodeId, code: string, answered = true): NodeAnswer => ({
  node,
  place: placeId(node),
  answered,
  why: 'answers',
  // Only the reason is looked at.
  last: { value: { node, why: because(code, `it is ${code}`) } as NodeStatus, ageMs: 0, observer: node },
});
const codeOf = (...answers: NodeAnswer[]): string | null => whyHopeless(answers, [east, west])?.code ?? null;

describe('a start without hope', () => {
  it('is one whose store has forgotten what every database knows', () => {
    const both = [says(east, 'store-behind'), says(west, 'store-behind')];
    expect(whyHopeless(both, [east, west])).toEqual({
      code: 'FSH_STORE_BEHIND',
      why: because('store-behind', `${east}: it is store-behind`),
    });
    // The second one was moved aside: it waits for the first, which will not come.
    expect(codeOf(says(east, 'store-behind'), says(west, 'no-primary-yet'))).toBe('FSH_STORE_BEHIND');
  });

  it('is one whose first node has data of another cluster; a standby with such data is cloned or left', () => {
    expect(codeOf(says(east, 'data-foreign'), says(west, 'no-primary-yet'))).toBe('FSH_DATA_FOREIGN');
    expect(codeOf(says(east, 'fine'), says(west, 'data-foreign'))).toBe(null);
  });

  it('is none while one node may still come up, or has not been heard', () => {
    expect(codeOf(says(east, 'store-behind'), says(west, 'store-unread'))).toBe(null);
    expect(codeOf(says(east, 'store-behind'), says(west, 'store-behind', false))).toBe(null);
    expect(codeOf(says(east, 'store-behind'))).toBe(null);
    expect(codeOf(says(east, 'no-primary-yet'), says(west, 'no-primary-yet'))).toBe(null);
    expect(whyHopeless([], [])).toBe(null);
  });
});
