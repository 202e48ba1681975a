import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../coordination/virtual-clock.contract.ts';
import { A, pulse } from '../decide/failover/testing.ts';
import type { PulseHandlers } from '../ports/agent.ts';
import { Peers } from './peers.ts';

describe('what is heard of a peer', () => {
  it('a primary that closes after a long reign has been closed only since then (F1, F17)', async () => {
    const clock = new VirtualClock();
    const open: PulseHandlers[] = [];
    const network = {
      listen: (_: unknown, handlers: PulseHandlers) => {
        open.push(handlers);
        return () => undefined;
      },
      attest: () => new Promise<never>(() => undefined),
      order: () => Promise.reject(new Error('nobody is asked here')),
    };
    const peers = new Peers(network, [A], clock, () => undefined);
    const since = () => peers.view().get(A)?.roleSinceMs;
    const hear = (isOpen: boolean) => open[0]?.onPulse(pulse(A, { open: isOpen }));
    hear(true);
    const openedAtMs = since();
    await clock.advance(60_000);
    hear(true);
    expect(since()).toBe(openedAtMs);
    hear(false);
    expect(since()).toBe(clock.nowMs());
    await clock.advance(500);
    hear(false);
    expect(since()).toBe(clock.nowMs() - 500);
  });
});
