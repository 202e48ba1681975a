import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { connectStore } from '../coordination/etcd/client.ts';
import type { EdgeStatus } from '../planes/edge/status.ts';
import { A, ask, B, C, configOf, publish, startLoad, startRegion, tableOf, until } from '../planes/edge/testing.ts';
import { makeCertificate, newFolder, shownFor } from '../planes/edge/tls.testing.ts';
import { nodeClock } from '../telemetry/node-clock.ts';
import { freePort } from '../world/free-ports.ts';

/** The edge as it is shipped: its own process, with the embedded store in another. Needs `npm run build`. */
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const TOKEN = 'a-token-for-tests-only';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function start(verb: string, file: string): ChildProcess & { errors: string } {
  const child = spawn(process.execPath, [MAIN, verb, file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const started = Object.assign(child, { errors: '' });
  child.stderr.on('data', (text: Buffer) => (started.errors += text.toString()));
  cleanups.push(() => child.kill('SIGKILL'));
  return started;
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', (code) => resolve(code)));

async function aPlace() {
  const dir = await mkdtemp(join(tmpdir(), 'fsh-edge-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  const write = async (name: string, content: object) => {
    await writeFile(join(dir, name), JSON.stringify(content), { mode: 0o600 });
    return join(dir, name);
  };
  const secretsPath = await write('secrets.json', { storeToken: TOKEN });
  const [storePort, edgePort] = [await freePort(), await freePort()];
  const listen = { host: '127.0.0.1', port: storePort };
  const storeFile = await write('store.json', { listen, dataDir: join(dir, 'store'), secretsPath });
  const storeUrls = [`http://127.0.0.1:${storePort}`];
  const client = connectStore({
    urls: storeUrls,
    auth: { kind: 'token', token: TOKEN },
    timeoutMs: 1_000,
    clock: nodeClock,
  });
  cleanups.push(() => client.close());
  return { write, secretsPath, storeFile, storeUrls, client, edgePort };
}

test('kill -9 of the store changes nothing for users; a table of the restarted one is obeyed; SIGTERM drains', async () => {
  const [place, a, b, c] = await Promise.all([aPlace(), startRegion(A), startRegion(B), startRegion(C)]);
  for (const region of [a, b, c]) cleanups.push(() => region.kill());
  const edgeFile = await place.write('edge.json', {
    ...configOf([a, b, c]),
    listen: { host: '127.0.0.1', port: place.edgePort },
    storeUrls: place.storeUrls,
    storeKind: 'embedded',
    secretsPath: place.secretsPath,
  });
  const status = async () => JSON.parse((await ask(place.edgePort, '/.farshore/edge')).body) as EdgeStatus;
  const published = (primary: typeof A, epoch: number) =>
    publish(place.client, tableOf({ primary, epoch })).then(
      () => true,
      () => false,
    );

  const store = start('store', place.storeFile);
  await until('the store takes the table', () => published(A, 1));
  const edge = start('edge', edgeFile);
  await until('the edge listens', () => edge.errors.includes('listening'));
  await until('it has its table', async () => (await status()).table?.epoch === 1);

  const load = startLoad(place.edgePort, 4, '/orders');
  cleanups.push(() => load.stop());
  const gone = exitOf(store);
  store.kill('SIGKILL');
  await gone;
  await until('the loss is noticed', async () => (await status()).store.state === 'trouble');
  const write = await ask(place.edgePort, '/orders?id=1', { method: 'POST' });
  expect(write).toMatchObject({ status: 200, headers: { 'x-farshore-region': A } });
  await a.kill();
  await until('health goes on without the store', async () => (await status()).routes.read.candidates[0] === B);

  start('store', place.storeFile);
  await until('the store is back', () => published(C, 2));
  await until('its table is obeyed', async () => (await status()).table?.epoch === 2);
  expect(await ask(place.edgePort, '/orders?id=2', { method: 'POST' })).toMatchObject({
    headers: { 'x-farshore-region': C },
  });
  await load.stop();
  expect(load.failures).toEqual([]);

  const startedMs = performance.now();
  const ended = exitOf(edge);
  edge.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect(edge.errors).not.toContain(TOKEN);
});

test('a port that is taken: said with its number, exit code 1', async () => {
  const place = await aPlace();
  const region = await startRegion(A);
  cleanups.push(() => region.kill());
  const edgeFile = await place.write('edge.json', {
    ...configOf([region]),
    listen: { host: '127.0.0.1', port: region.port },
    storeUrls: place.storeUrls,
    storeKind: 'embedded',
    secretsPath: place.secretsPath,
  });
  const edge = start('edge', edgeFile);
  expect(await exitOf(edge)).toBe(1);
  expect(edge.errors).toContain(`port ${region.port}`);
});

test('certificates: a wrong pair ends the start with what is wrong; SIGHUP has the files read again', async () => {
  const place = await aPlace();
  const [region, dir] = [await startRegion(A), newFolder()];
  cleanups.push(
    () => region.kill(),
    () => rm(dir, { recursive: true, force: true }),
  );
  const [shop, other] = ['shop', 'other'].map((name) => makeCertificate(dir, name, ['shop.example']));
  const fileWith = (name: string, key: string | undefined) =>
    place.write(name, {
      ...configOf([region]),
      listen: { host: '127.0.0.1', port: place.edgePort, tls: true },
      tls: { certificates: [{ cert: shop?.cert, key }] },
      storeUrls: place.storeUrls,
      storeKind: 'embedded',
      secretsPath: place.secretsPath,
    });
  const wrong = start('edge', await fileWith('wrong.json', other?.key));
  expect(await exitOf(wrong)).toBe(1);
  expect(wrong.errors).toContain('error FSH_TLS_INVALID the key');
  const right = start('edge', await fileWith('right.json', shop?.key));
  await until('it listens', () => right.errors.includes('listening'));
  expect(right.errors).toContain(`https://127.0.0.1:${place.edgePort}`);
  right.kill('SIGHUP');
  await until('the files were read again', () => right.errors.includes('were read again'));
  expect(await shownFor(place.edgePort, 'shop.example')).toBe('shop');
});
