import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEBIAN_15, poll, startPostgres, startTestGateway, tempDir } from './bench/world.ts';
import type { TestGateway, TestPostgres } from './bench/world.ts';
import { RawClient, startup } from './raw-client.testing.ts';

/** Clients give up while they wait for a primary, and come again: the ones that left must not stand before those who wait. */
let temp: Awaited<ReturnType<typeof tempDir>>;
let postgres: TestPostgres;
let gateway: TestGateway;
let epoch = 1;

beforeAll(async () => {
  temp = await tempDir();
  postgres = await startPostgres(`${temp.dir}/pg`, DEBIAN_15);
  gateway = await startTestGateway(temp.dir, 'a', postgres, { waitForPrimaryMs: 60_000 });
});
afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
  await temp.remove();
});

const close = () => gateway.table({ epoch: ++epoch, local: 'closed', open: false, primary: null });
const waiting = async (): Promise<number> => {
  const status = await gateway.client.status();
  return status.kind === 'done' ? status.value.connections.waiting : -1;
};

async function knock(): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: gateway.rw });
  socket.on('error', () => undefined);
  socket.write(startup({ user: 'postgres', database: 'postgres' }));
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

it('forgets at once who left while it waited', async () => {
  await close();
  const sockets = await Promise.all(Array.from({ length: 20 }, knock));
  await poll('all wait', async () => (await waiting()) === 20);
  for (const socket of sockets) socket.destroy();
  await poll('nobody waits', async () => (await waiting()) === 0);
});

it('keeps what a client sends before it is answered', async () => {
  await close();
  const client = new RawClient(await knock());
  client.query('select 1');
  await poll('it waits', async () => (await waiting()) === 1);
  await gateway.table({ epoch });
  const seen = await client.until((all) => all.filter((one) => one === 'Z I').length === 2);
  expect(seen.slice(-4)).toEqual(['T', 'D', 'C', 'Z I']);
  client.socket.destroy();
});
