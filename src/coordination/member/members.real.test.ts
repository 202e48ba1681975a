import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Coordination } from '../../ports/coordination.ts';
import { coordinationContract } from '../coordination.contract.ts';
import { clock, ETCD, hasEtcd } from '../rigs.contract.ts';
import { ready, startThree, type ThreeMembers } from './three.contract.ts';

const here = hasEtcd() || process.env['CI'] === 'true';
if (!here) test.skip(`three members of etcd (${ETCD} is missing: apt-get install etcd-server)`, () => {});

if (here) {
  coordinationContract('three members of etcd with users', async () => {
    const three = await startThree();
    await ready(three);
    return {
      connect: () => three.connect(),
      sleep: (ms) => delay(ms),
      nowMs: () => clock.nowMs(),
      compact: (revision) => three.compact(revision),
      expiryLateMs: 3_000,
      close: () => three.close(),
    };
  });
}

describe.runIf(here)('three members of etcd', () => {
  let three: ThreeMembers;
  const clients: Coordination[] = [];
  const connect = (first?: number, timeoutMs?: number): Coordination => {
    const client = three.connect(first, timeoutMs);
    clients.push(client);
    return client;
  };
  beforeAll(async () => {
    three = await startThree();
    await ready(three);
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
    await three.close();
  });

  /** A write that is repeated until it is done, as an agent does at its next look. */
  const writes = async (client: Coordination, key: string, withinMs: number): Promise<number> => {
    const fromMs = performance.now();
    for (;;) {
      const wrote = await client.txn([], [{ put: key, value: '1' }]);
      if (wrote.kind === 'done') return performance.now() - fromMs;
      expect(performance.now() - fromMs, wrote.why).toBeLessThan(withinMs);
      await delay(50);
    }
  };
  /** A client that talks to this member: one whose login took longer than its share of the time has gone to the next. */
  const clientAt = async (member: number, timeoutMs: number): Promise<Coordination> => {
    for (let tries = 0; tries < 20; tries++) {
      const client = connect(member, timeoutMs);
      const fromMs = performance.now();
      const wrote = await client.txn([], [{ put: '/warm', value: '1' }]);
      if (wrote.kind === 'done' && performance.now() - fromMs < timeoutMs / 3) return client;
    }
    throw new Error(`member ${member} is always slow`);
  };
  const someLeader = async (): Promise<number> => {
    for (let tries = 0; tries < 300; tries++) {
      const leader = await three.leader();
      if (leader !== null) return leader;
      await delay(50);
    }
    throw new Error('nobody leads');
  };

  test('nobody reads or writes without the password, at any member', async () => {
    for (const port of three.ports) {
      const url = `http://127.0.0.1:${port}/v3/kv/range`;
      expect((await fetch(url, { method: 'POST', body: '{"key":"YQ=="}' })).status).not.toBe(200);
      const guess = { name: 'root', password: 'guess' };
      const login = `http://127.0.0.1:${port}/v3/auth/authenticate`;
      expect((await fetch(login, { method: 'POST', body: JSON.stringify(guess) })).status).not.toBe(200);
    }
  });

  test('the leader dies: writes go on at the other two, for a client whose own member it was and for others', async () => {
    const leader = await someLeader();
    const [own, other] = [connect(leader, 2_000), connect((leader + 1) % 3, 2_000)];
    await writes(own, '/before', 5_000);
    await writes(other, '/before', 5_000);
    three.signal(leader, 'SIGKILL');
    await Promise.all([writes(own, '/after/own', 15_000), writes(other, '/after/other', 15_000)]);
    three.start(leader);
    // It has forgotten every token: the client logs in again and no caller sees it.
    const back = connect(leader, 5_000);
    await writes(back, '/back', 15_000);
    expect((await own.txn([], [{ get: '/after/other' }])).kind).toBe('done');
  });

  test('a member that freezes holds a client up once, not each time', async () => {
    const leader = await someLeader();
    const frozen = (leader + 1) % 3;
    await three.answers(frozen);
    const client = await clientAt(frozen, 4_500);
    three.signal(frozen, 'SIGSTOP');
    try {
      const held = await client.txn([], [{ put: '/held', value: '1' }]);
      // It may have arrived, so it is not sent twice.
      expect(held.kind).toBe('unknown');
      const next = await client.txn([], [{ put: '/next', value: '1' }]);
      expect(next.kind).toBe('done');
    } finally {
      three.signal(frozen, 'SIGCONT');
    }
  });

  test('without a majority nothing is done; what was written before is there after', async () => {
    const leader = await someLeader();
    const client = connect(leader, 3_000);
    const before = await client.txn([], [{ put: '/kept', value: 'yes' }]);
    expect(before.kind).toBe('done');
    const dead = [(leader + 1) % 3, (leader + 2) % 3];
    for (const member of dead) three.signal(member, 'SIGKILL');
    const lost = await client.txn([], [{ put: '/lost', value: '1' }]);
    expect(lost.kind).not.toBe('done');
    expect((await client.txn([], [{ get: '/kept' }])).kind).not.toBe('done');
    for (const member of dead) three.start(member);
    await writes(client, '/again', 30_000);
    const read = await client.txn([], [{ get: '/kept' }]);
    expect(read).toMatchObject({ kind: 'done', value: { responses: [[{ value: 'yes' }]] } });
  });
});
