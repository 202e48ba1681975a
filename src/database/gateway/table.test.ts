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
  readOnly: {
    local: true,
    freshUntilMs: null,
    why: 'too old',
    elsewhere: [{ node: there, host: '127.0.0.1', port: 2 }],
  },
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
    ['primary here, handing over', { ...base, closing: true }, 'rw', 'wait'],
    ['primary here, handing over, reading', { ...base, closing: true }, 'ro', 'local'],
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

describe('a new epoch without a primary yet', () => {
  const replica: GatewayTable = { ...remote, primary: null };
  const at = (nowMs: { value: number }): Authority => {
    const made = new Authority(here, () => nowMs.value);
    made.apply(replica);
    return made;
  };

  it('keeps readers waiting for a quarter of a second, and no longer: they say so and when', () => {
    const nowMs = { value: 1_000 };
    const made = at(nowMs);
    expect(made.route('ro', 0).kind).toBe('local');
    made.learn(4);
    expect(made.route('ro', 0)).toMatchObject({ kind: 'wait', forMs: 250 });
    nowMs.value = 1_200;
    made.apply({ ...replica, epoch: 4 });
    expect(made.route('ro', 0)).toMatchObject({ kind: 'wait', forMs: 50 });
    nowMs.value = 1_250;
    expect(made.route('ro', 0).kind).toBe('local');
  });

  it.each<[string, GatewayTable]>([
    ['opened elsewhere', { ...remote, epoch: 4 }],
    ['opened here', { ...base, epoch: 4 }],
  ])('lets them in at once when it %s', (_name, table) => {
    const made = at({ value: 1_000 });
    made.learn(4);
    made.apply(table);
    expect(made.route('ro', 0).kind).toBe('local');
  });
});

describe('a deadline by several clocks (P2.2)', () => {
  const writer: Binding = { want: 'rw', epoch: 3, target: 'local' };
  const then = { bootMs: 500, wallMs: 90_000 };
  it.each([
    ['nothing paused', 500, 90_000, true],
    ['suspended for longer than was left', 3_500, 93_000, false],
    ['suspended for less', 2_000, 91_500, true],
    ['the wall clock jumped ahead', 500, 93_000, false],
    ['the wall clock was set back', 500, 10_000, true],
  ])('%s', (_name, bootMs, wallMs, serves) => {
    const made = new Authority(
      here,
      () => 1_000,
      () => ({ bootMs, wallMs }),
    );
    made.apply({ ...base, deadlineMs: 3_000, ahead: then });
    expect(made.whyOver(writer) === null).toBe(serves);
    expect(made.route('rw', 0).kind).toBe(serves ? 'local' : 'wait');
    // A lease that was asked for after it, also after a false alarm.
    made.apply({ ...base, deadlineMs: 3_000, ahead: { bootMs, wallMs } });
    expect(made.whyOver(writer)).toBeNull();
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

describe('a replica whose agent is silent', () => {
  const reader: Binding = { want: 'ro', epoch: 3, target: 'local' };
  const vouchedUntil = (freshUntilMs: number | null): GatewayTable => ({
    ...remote,
    readOnly: { ...base.readOnly, freshUntilMs },
  });

  it('serves `ro` as long as its agent vouched for it, and not a moment longer', () => {
    let nowMs = 1_000;
    const made = new Authority(here, () => nowMs);
    made.apply(vouchedUntil(1_500));
    nowMs = 1_499;
    expect(made.route('ro', 0).kind).toBe('local');
    expect(made.whyNotForPeer('ro', 3)).toBeNull();
    expect(made.shouldMove(reader)).toBe(false);
    nowMs = 1_500;
    expect(made.route('ro', 0)).toMatchObject({ kind: 'peer', node: there });
    expect(made.whyNotForPeer('ro', 3)).toMatch(/not fresh enough/);
    expect(made.shouldMove(reader)).toBe(true);
    // Left at the end of its transaction, not cut; and writes do not depend on it.
    expect(made.whyOver(reader)).toBeNull();
    expect(made.shouldMove({ ...reader, want: 'rw' })).toBe(false);
    expect(made.route('rw', 0).kind).toBe('peer');
    made.apply(vouchedUntil(2_000));
    expect(made.route('ro', 0).kind).toBe('local');
    expect(made.shouldMove(reader)).toBe(false);
  });

  it('without a bound it stays: the primary itself', () => {
    expect(authority(base, Number.MAX_SAFE_INTEGER).route('ro', 0).kind).toBe('local');
  });

  it('with nowhere else to go, new connections wait and are told why', () => {
    const alone = { ...remote, readOnly: { ...base.readOnly, freshUntilMs: 1, elsewhere: [] } };
    expect(authority(alone, 2).route('ro', 0)).toMatchObject({
      kind: 'wait',
      why: expect.stringContaining('not fresh enough'),
    });
  });
});

it.each<[string, number | null, number | null, number | null]>([
  ['nothing ends', null, null, null],
  ['the deadline', 150, null, 50],
  ['the freshness', null, 120, 20],
  ['whichever is first', 150, 120, 20],
  ['what has ended does not end again', 150, 100, 50],
  ['both over', 90, 100, null],
])('when time alone ends something: %s', (_name, deadlineMs, freshUntilMs, left) => {
  const table = { ...remote, deadlineMs, readOnly: { ...base.readOnly, freshUntilMs } };
  expect(authority(table, 100).nextEndMs).toBe(left);
});

it('a read-only connection moves when its replica became too old, and is not cut', () => {
  const made = authority({ ...remote, readOnly: stale });
  const reader: Binding = { want: 'ro', epoch: 3, target: 'local' };
  expect(made.whyOver(reader)).toBeNull();
  expect(made.shouldMove(reader)).toBe(true);
  expect(made.shouldMove({ ...reader, want: 'rw' })).toBe(false);
});

describe('a primary that hands over (P7.2)', () => {
  const closing: GatewayTable = { ...base, closing: true };
  const writer: Binding = { want: 'rw', epoch: 3, target: 'local' };

  it('lets a writer finish its transaction, then sends it away', () => {
    const made = authority(closing);
    expect(made.whyOver(writer)).toBeNull();
    expect(made.shouldMove(writer)).toBe(true);
    expect(made.shouldMove({ ...writer, want: 'ro' })).toBe(false);
  });

  it('takes no writer of another gateway', () => {
    expect(authority(closing).whyNotForPeer('rw', 3)).toContain('hands over');
    expect(authority(closing).whyNotForPeer('ro', 3)).toBeNull();
  });

  it('ends them all when it closes, at the deadline and under a newer epoch', () => {
    expect(authority({ ...closing, closing: false, open: false }).whyOver(writer)).toContain('not open');
    expect(authority({ ...closing, deadlineMs: -1 }).whyOver(writer)).toContain('lease');
    const made = authority(closing);
    made.learn(4);
    expect(made.whyOver(writer)).toContain('epoch 4');
  });

  it('that was called off keeps those that are left', () => {
    const made = authority(closing);
    made.apply(base);
    expect(made.shouldMove(writer)).toBe(false);
    expect(made.route('rw', 0).kind).toBe('local');
  });
});
