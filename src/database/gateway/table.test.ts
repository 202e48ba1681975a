import { describe, expect, it } from 'vitest';
import { nodeId, placeId } from '../../base/ids.ts';
import type { GatewayTable } from '../../ports/gateway.ts';
import { Authority, type Binding } from './table.ts';

const here = nodeId(placeId('aws:eu-west-1'), 'n1');
const there = nodeId(placeId('aws:us-east-1'), 'n1');
const primaryAt = (node: typeof here) => ({ node, region: placeId('any'), host: '127.0.0.1', port: 1 });
const base: GatewayTable = {
  epoch: 3,
  local: 'primary',
  open: true,
  deadlineMs: null,
  primary: primaryAt(here),
  readOnly: { local: true, why: 'too old', elsewhere: [{ node: there, host: '127.0.0.1', port: 2 }] },
};
const remote: GatewayTable = { ...base, local: 'standby', open: false, primary: primaryAt(there) };

function authority(table: GatewayTable | null, nowMs = 0): Authority {
  const made = new Authority(here, () => nowMs);
  if (table !== null) made.apply(table);
  return made;
}
const stale = { ...base.readOnly, local: false };

describe('where a new connection leads (P7.2)', () => {
  it.each<[string, GatewayTable | null, 'rw' | 'ro', string]>([
    ['no table yet', null, 'rw', 'wait'],
    ['primary here, open', base, 'rw', 'local'],
    ['primary here, closed', { ...base, open: false }, 'rw', 'wait'],
    ['primary elsewhere', remote, 'rw', 'peer'],
    ['no primary', { ...remote, primary: null }, 'rw', 'wait'],
    ['the table names this node, which is a standby', { ...remote, primary: primaryAt(here) }, 'rw', 'wait'],
    ['replica here', remote, 'ro', 'local'],
    ['replica too old', { ...remote, readOnly: stale }, 'ro', 'peer'],
    ['replica too old, no other', { ...remote, readOnly: { ...stale, elsewhere: [] } }, 'ro', 'wait'],
    ['local database closed', { ...remote, local: 'closed' }, 'ro', 'peer'],
    ['past the deadline', { ...base, deadlineMs: -1 }, 'rw', 'wait'],
    ['past the deadline, reading', { ...base, deadlineMs: -1 }, 'ro', 'wait'],
  ])('%s', (_name, table, want, kind) => {
    expect(authority(table).route(want, 0).kind).toBe(kind);
  });

  it('says why it waits', () => {
    expect(authority({ ...base, open: false }).route('rw', 0)).toMatchObject({
      why: expect.stringContaining('not open'),
    });
  });
});

describe('epochs (P7.2)', () => {
  it('refuses an older table and keeps the present one', () => {
    const made = authority(base);
    expect(made.apply({ ...base, epoch: 2, open: false })).toBe(false);
    expect(made.table).toBe(base);
    expect(made.apply({ ...base, open: false })).toBe(true);
  });

  it('the highest wins: news from a peer end the local reign until the agent confirms', () => {
    const made = authority(base);
    const mine: Binding = { want: 'rw', epoch: 3, target: 'local' };
    expect(made.whyOver(mine)).toBeNull();
    expect(made.learn(4)).toBe(true);
    expect(made.whyOver(mine)).toMatch(/epoch 4/);
    expect(made.route('rw', 0).kind).toBe('wait');
    made.apply({ ...base, epoch: 3 });
    expect(made.route('rw', 0).kind).toBe('wait');
    made.apply({ ...base, epoch: 4 });
    expect(made.route('rw', 0).kind).toBe('local');
    expect(made.whyOver(mine)).toMatch(/epoch 4/);
  });

  it('a peer that knows more is not served, one that knows less is', () => {
    expect(authority(base).whyNotForPeer('rw', 4)).toMatch(/behind/);
    expect(authority(base).whyNotForPeer('rw', 2)).toBeNull();
    expect(authority(remote).whyNotForPeer('rw', 3)).toMatch(/not the primary/);
    expect(authority(remote).whyNotForPeer('ro', 3)).toBeNull();
    expect(authority({ ...remote, readOnly: stale }).whyNotForPeer('ro', 3)).toBe('too old');
  });

  it('a connection through a peer lives until the primary is another', () => {
    const made = authority(remote);
    const bound: Binding = { want: 'rw', epoch: 3, target: there };
    expect(made.whyOver(bound)).toBeNull();
    made.apply({ ...remote, primary: null });
    expect(made.whyOver(bound)).toBeNull();
    made.apply(base);
    expect(made.whyOver(bound)).toMatch(/primary is/);
  });
});

it('a read-only connection moves when its replica became too old, and is not cut', () => {
  const made = authority({ ...remote, readOnly: stale });
  const reader: Binding = { want: 'ro', epoch: 3, target: 'local' };
  expect(made.whyOver(reader)).toBeNull();
  expect(made.shouldMove(reader)).toBe(true);
  expect(made.shouldMove({ ...reader, want: 'rw' })).toBe(false);
});
