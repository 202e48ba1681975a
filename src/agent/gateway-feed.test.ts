import { expect, it } from 'vitest';
import { done, type Outcome } from '../base/result.ts';
import { VirtualClock } from '../coordination/virtual-clock.contract.ts';
import { A, observation, standby } from '../decide/failover/testing.ts';
import type { AgentConfig } from '../ports/config.ts';
import type { GatewayControl, GatewayStatus, GatewayTable } from '../ports/gateway.ts';
import type { DataNode } from './data-node.ts';
import { GatewayFeed } from './gateway-feed.ts';

it('what the door came to be while a table was on its way is sent right behind it, and only the last of it', async () => {
  const sent: string[] = [];
  const answers: (() => void)[] = [];
  const gateway = {
    table: (table: GatewayTable) => {
      sent.push(table.closing === true ? 'closing' : table.open ? 'open' : 'closed');
      return new Promise<Outcome<GatewayStatus>>((resolve) => answers.push(() => resolve(done({} as GatewayStatus))));
    },
  } as unknown as GatewayControl;
  const feed = new GatewayFeed({ node: A, peers: [] } as unknown as AgentConfig, gateway, new VirtualClock());
  const data = {
    open: true,
    closing: false,
    reign: { epoch: 4 },
    endedEpoch: 4,
    lease: {},
    heartbeat: { lastOkAtMs: 0 },
  };
  const tell = (): void =>
    feed.feed(observation({ me: A }), standby({ state: 'primary' }), data as unknown as DataNode, null);
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  tell();
  data.closing = true;
  tell();
  Object.assign(data, { open: false, closing: false });
  tell();
  expect(sent).toEqual(['open']);
  answers.shift()?.();
  await settle();
  expect(sent).toEqual(['open', 'closed']);
  answers.shift()?.();
  await settle();
  expect(sent).toEqual(['open', 'closed']);
});
