import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MemberConfig } from '../../ports/config.ts';
import type { Coordination } from '../../ports/coordination.ts';
import { authOf, connectStore } from '../etcd/client.ts';
import { clock, compactAt, ETCD, raw, tempDir } from '../rigs.contract.ts';
import { freePort } from '../../world/free-ports.ts';

/** Three members as a world starts them: relays, peers by names that only those know, users. */
export interface ThreeMembers {
  readonly ports: readonly number[];
  /** A client whose own member is the `first`th. */
  connect(first?: number, timeoutMs?: number, watchIdleMs?: number): Coordination;
  signal(member: number, signal: NodeJS.Signals): void;
  start(member: number): void;
  /** The member that leads now; null while none does. */
  leader(): Promise<number | null>;
  /** Until this member answers and knows who leads. */
  answers(member: number): Promise<void>;
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}

const MAIN = join(import.meta.dirname, '../../../dist/coordination/member/main.js');
const PASSWORD = 'a-password-for-tests';
const host = '127.0.0.1';

export async function startThree(): Promise<ThreeMembers> {
  const dir = await tempDir();
  const secretsPath = join(dir, 'secrets.json');
  await writeFile(secretsPath, JSON.stringify({ storeToken: PASSWORD }), { mode: 0o600 });
  const names = ['a', 'b', 'c'];
  const peers = [await freePort(), await freePort(), await freePort()];
  const ports = [await freePort(), await freePort(), await freePort()];
  const members = names.map((name, i) => ({
    name,
    url: `http://${name}.store.invalid:2380`,
    near: { host, port: peers[i] ?? 0 },
  }));
  const configs = await Promise.all(
    names.map(async (name, i) => {
      const path = join(dir, `${name}.json`);
      const config: MemberConfig = {
        name,
        binary: ETCD,
        dataDir: join(dir, name),
        client: { host, port: ports[i] ?? 0 },
        peer: { host, port: peers[i] ?? 0 },
        relay: { host, port: await freePort() },
        members,
        heartbeatMs: 100,
        electionMs: 1_000,
        secretsPath,
      };
      await writeFile(path, JSON.stringify(config));
      return path;
    }),
  );
  const children = new Map<number, ChildProcess>();
  const start = (member: number): void => {
    const child = spawn(process.execPath, [MAIN, configs[member] ?? ''], { stdio: 'ignore', detached: true });
    children.set(member, child);
  };
  // A member is its whole group: etcd goes and stops with what started it.
  const signal = (member: number, name: NodeJS.Signals): void => {
    const child = children.get(member);
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, name);
  };
  for (const i of names.keys()) start(i);
  const connect: ThreeMembers['connect'] = (first = 0, timeoutMs = 5_000, watchIdleMs = 3_000) =>
    connectStore({
      urls: names.map((_, i) => `http://${host}:${ports[(first + i) % 3]}`),
      auth: authOf('etcd', { storeToken: PASSWORD }),
      timeoutMs,
      watchIdleMs,
      clock,
    });
  const statusOf = async (port: number): Promise<{ member: string; leader: string } | null> => {
    const signalled = AbortSignal.timeout(1_000);
    const asked = { method: 'POST', body: '{}', signal: signalled };
    const answer = await fetch(`http://${host}:${port}/v3/maintenance/status`, asked).catch(() => null);
    if (answer?.status !== 200) return null;
    const said = (await answer.json()) as { header: { member_id: string }; leader?: string };
    return { member: said.header.member_id, leader: said.leader ?? '' };
  };
  return {
    ports,
    connect,
    signal,
    start,
    async leader() {
      const said = await Promise.all(ports.map(statusOf));
      const index = said.findIndex((it) => it !== null && it.member === it.leader);
      return index === -1 ? null : index;
    },
    async answers(member) {
      for (let tries = 0; tries < 300; tries++) {
        const said = await statusOf(ports[member] ?? 0);
        if (said !== null && said.leader !== '' && said.leader !== '0') return;
        await delay(50);
      }
      throw new Error(`member ${member} does not answer`);
    },
    async compact(revision) {
      const [port = 0] = ports;
      const login = await raw(port, '/v3/auth/authenticate', { name: 'root', password: PASSWORD }, null);
      const { token } = (await login.json()) as { readonly token: string };
      await compactAt(port, revision, token);
    },
    async close() {
      for (const [member, child] of children) {
        signal(member, 'SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Until a write of a fresh client is done. */
export async function ready(three: ThreeMembers, withinMs = 90_000): Promise<void> {
  const client = three.connect();
  try {
    for (const endMs = performance.now() + withinMs; ; await delay(100)) {
      const wrote = await client.txn([], [{ put: '/ready', value: '1' }]);
      if (wrote.kind === 'done') return;
      if (performance.now() > endMs) throw new Error(`not ready: ${wrote.why}`);
    }
  } finally {
    await client.close();
  }
}
