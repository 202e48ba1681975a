import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { RouteTable } from '../../ports/records.ts';
import { A, ask, B, C, listen, publish, startLoad, startRegion, tableOf, until } from '../edge/testing.ts';
import { READS } from './names.ts';
import { aRig as newRig, installed, LAST_RESORT_OF_ALL as LAST_RESORT, type RigOptions } from './testing.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const aRig = (options: RigOptions = {}) => newRig(cleanups, options);

/** A balancer in front of a region: it accepts every connection, and closes it when nobody is behind. */
async function aDoor(regionPort: number): Promise<number> {
  const door = createServer((user) => {
    const region = connect(regionPort, '127.0.0.1');
    user.pipe(region).pipe(user);
    for (const [here, there] of [
      [user, region],
      [region, user],
    ] as const) {
      here.on('error', () => undefined);
      here.on('close', () => there.destroy());
    }
  });
  cleanups.push(() => door.close());
  return listen(door);
}

const regionOf = async (port: number): Promise<string> => String((await ask(port, '/')).headers['x-farshore-region']);
const write = (port: number, id: string) => ask(port, `/?id=${id}`, { method: 'POST', body: 'x' });
const drained = (table: RouteTable, id: string): RouteTable => ({
  ...table,
  regions: table.regions.map((it) => (it.id === id ? { ...it, state: 'drained' } : it)),
});

describe.skipIf(!installed)('HAProxy as a plane', () => {
  test('reads go to the nearest region, writes to the primary’s, and a new table moves them without a reload', async () => {
    const rig = await aRig();
    await rig.drive();
    expect((await write(rig.port, 'early')).status).toBe(503);
    await publish(rig.store, tableOf({ epoch: 1, primary: B }));
    await until('writes are taken', async () => (await write(rig.port, 'one')).status === 200);
    expect((await write(rig.port, 'two')).headers['x-farshore-region']).toBe(B);
    expect(await regionOf(rig.port)).toBe(A);
    await publish(rig.store, tableOf({ epoch: 2, primary: C }));
    await until('the new primary’s', async () => (await write(rig.port, 'three')).headers['x-farshore-region'] === C);
    expect(await rig.runtime('show info')).toMatch(/^Uptime_sec: /m);
    expect(await rig.regions[1].writes()).toContain('two');
    expect(await rig.regions[0].writes()).toEqual([]);
  });

  test('while nobody may accept writes they are refused and say so; an older table changes nothing (I1)', async () => {
    const rig = await aRig();
    await rig.drive();
    const old = tableOf({ epoch: 1, primary: A });
    await publish(rig.store, tableOf({ epoch: 2, primary: B }));
    await until('writes are taken', async () => (await write(rig.port, 'one')).status === 200);
    await publish(rig.store, old);
    await publish(rig.store, 'not a table');
    await until('it is said', () => rig.said.some((line) => line.includes('refused')));
    expect((await write(rig.port, 'two')).headers['x-farshore-region']).toBe(B);
    await publish(rig.store, tableOf({ epoch: 3, primary: null }));
    await until('refused', async () => (await write(rig.port, 'three')).status === 503);
    const refused = await write(rig.port, 'four');
    expect(refused.headers).toMatchObject({ 'x-farshore-outcome': 'refused', 'retry-after': '1' });
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'refused' });
    expect(await rig.regions[0].writes()).toEqual([]);
  });

  test('a region that is killed costs no safe request, and is left after its checks', async () => {
    const rig = await aRig();
    await rig.drive();
    await publish(rig.store, tableOf({ epoch: 1, primary: B }));
    await until('writes are taken', async () => (await write(rig.port, 'one')).status === 200);
    const load = startLoad(rig.port, 8, '/load');
    await until('load', () => load.answers.length > 200);
    await rig.regions[0].kill();
    const served = load.answers.length;
    await until('others serve', () => load.answers.length > served + 500);
    await until('it is down', async () =>
      (await rig.runtime('show stat'))
        .split('\n')
        .some((line) => line.startsWith(`${READS},${A},`) && line.includes(',DOWN,')),
    );
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await regionOf(rig.port)).toBe(B);
  });

  test('neither does one whose door still accepts connections and closes them, as a balancer in front of it may', async () => {
    const rig = await aRig({ addressOfFirst: aDoor });
    await rig.drive();
    await publish(rig.store, tableOf({ epoch: 1, primary: B }));
    await until('writes are taken', async () => (await write(rig.port, 'one')).status === 200);
    const load = startLoad(rig.port, 8, '/load');
    await until('load', () => load.answers.length > 200);
    await rig.regions[0].kill();
    const served = load.answers.length;
    await until('others serve', () => load.answers.length > served + 500);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await regionOf(rig.port)).toBe(B);
  });

  test('a region that is frozen costs no safe request either', async () => {
    const rig = await aRig();
    await rig.drive();
    await publish(rig.store, tableOf({ epoch: 1, primary: B }));
    await until('writes are taken', async () => (await write(rig.port, 'one')).status === 200);
    const load = startLoad(rig.port, 4, '/load');
    await until('load', () => load.answers.length > 100);
    rig.regions[0].child.kill('SIGSTOP');
    cleanups.push(() => rig.regions[0].child.kill('SIGCONT'));
    const served = load.answers.length;
    await until('others serve', () => load.answers.length > served + 500);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  test('a write that was sent to a region that dies is unknown, and is not sent again', async () => {
    const rig = await aRig();
    await rig.drive();
    await publish(rig.store, tableOf({ epoch: 1, primary: A }));
    await until('writes are taken', async () => (await write(rig.port, 'one')).status === 200);
    const slow = ask(rig.port, '/?id=lost&ms=30000', { method: 'POST', body: 'x' });
    await until('it arrived', async () => (await rig.regions[0].writes()).includes('lost'));
    await rig.regions[0].kill();
    const answer = await slow;
    expect([answer.status, answer.headers['x-farshore-outcome']]).toEqual([502, 'unknown']);
    for (const other of rig.regions.slice(1)) expect(await other.writes()).not.toContain('lost');
    const refused = await write(rig.port, 'after');
    expect([refused.status, refused.headers['x-farshore-outcome']]).toEqual([503, 'refused']);
  });

  test('a drained region gets no reads even when every other looks dead (I12); when all look dead they are tried anyway', async () => {
    const rig = await aRig();
    await rig.drive();
    await publish(rig.store, drained(tableOf({ epoch: 1, primary: B }), A));
    await until('drained', async () => (await rig.states()).get(`${LAST_RESORT}/${A}`) === 'drain');
    expect(await regionOf(rig.port)).toBe(B);
    await Promise.all([rig.regions[1].kill(), rig.regions[2].kill()]);
    await until('all down', async () => (await ask(rig.port, '/')).status >= 500);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await ask(rig.port, '/')).status).toBeGreaterThanOrEqual(500);
    const again = await startRegion(B, rig.regions[1].port);
    cleanups.push(() => again.kill());
    // Its checks have not found it yet, and it is asked already.
    expect([(await ask(rig.port, '/')).status, await regionOf(rig.port)]).toEqual([200, B]);
  });

  test('HAProxy goes on without its driver: it serves, fails over, and starts again with the last primary', async () => {
    const rig = await aRig();
    const driver = await rig.drive();
    await publish(rig.store, tableOf({ epoch: 1, primary: B }));
    await until('writes are taken', async () => (await write(rig.port, 'one')).status === 200);
    await driver.close();
    expect((await write(rig.port, 'two')).headers['x-farshore-region']).toBe(B);
    await rig.regions[0].kill();
    const load = startLoad(rig.port, 2, '/');
    await until('others serve', () => load.answers.length > 200);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(readFileSync(rig.mapPath, 'utf8')).toBe(`primary ${B}\n`);
    await rig.stopHaproxy();
    rig.startHaproxy();
    await until('it is back', async () => {
      const answer = await write(rig.port, 'three').catch(() => null);
      return answer?.headers['x-farshore-region'] === B;
    });
  });

  test('a HAProxy that was started again, or changed by hand, is told again', async () => {
    const rig = await aRig();
    await rig.drive();
    await publish(
      rig.store,
      tableOf({
        epoch: 1,
        primary: B,
        regions: [
          [A, 'active'],
          [B, 'active'],
          [C, 'passive'],
        ],
      }),
    );
    await until('told', async () => (await rig.states()).get(`${READS}/${C}`) === 'maint');
    await rig.stopHaproxy();
    rig.startHaproxy();
    await until('told again', async () => (await rig.states().catch(() => new Map())).get(`${READS}/${C}`) === 'maint');
    await rig.runtime(`set server ${READS}/${C} state ready; set server ${READS}/${A} state maint`);
    await until('put right', async () => {
      const states = await rig.states();
      return states.get(`${READS}/${C}`) === 'maint' && states.get(`${READS}/${A}`) === 'ready';
    });
  });

  test('started again while its driver is away, it serves nothing that was drained or stands by', async () => {
    const rig = await aRig();
    const driver = await rig.drive();
    const regions = [
      [A, 'active'],
      [B, 'active'],
      [C, 'passive'],
    ] as const;
    await publish(rig.store, drained(tableOf({ epoch: 1, primary: B, regions }), A));
    await until('told', async () => (await rig.states()).get(`${READS}/${A}`) === 'drain');
    await driver.close();
    await rig.stopHaproxy();
    rig.startHaproxy();
    await until('it is back', async () => (await ask(rig.port, '/').catch(() => null)) !== null);
    const reads = [...(await rig.states())].filter(([server]) => server.startsWith(READS));
    expect(new Map(reads)).toEqual(
      new Map([
        [`${READS}/${A}`, 'drain'],
        [`${READS}/${B}`, 'ready'],
        [`${READS}/${C}`, 'maint'],
        [`${LAST_RESORT}/${A}`, 'drain'],
        [`${LAST_RESORT}/${B}`, 'ready'],
        [`${LAST_RESORT}/${C}`, 'maint'],
      ]),
    );
    for (let i = 0; i < 20; i += 1) expect(await regionOf(rig.port)).toBe(B);
    await rig.regions[1].kill();
    await until('it is down', async () => (await ask(rig.port, '/')).status === 503);
    // The driver, and with it a person's word, opens it again.
    await rig.drive();
    await publish(rig.store, tableOf({ epoch: 1, primary: B, regions }));
    await until('A serves', async () => (await regionOf(rig.port)) === A);
  });

  test('before anybody has said which regions serve, none does', async () => {
    const rig = await aRig({ closed: true });
    expect((await ask(rig.port, '/')).status).toBe(503);
    await rig.drive();
    await publish(rig.store, tableOf({ epoch: 1, primary: B }));
    await until('it serves', async () => (await ask(rig.port, '/')).status === 200);
    expect(await regionOf(rig.port)).toBe(A);
  });

  test('an agent check is answered with what is desired', async () => {
    const rig = await aRig();
    const driver = await rig.drive();
    await publish(rig.store, drained(tableOf({ epoch: 1, primary: B }), C));
    await until('drained', async () => (await rig.states()).get(`${READS}/${C}`) === 'drain');
    const word = await new Promise<string>((resolve) => {
      const socket = connect(driver.agentPort, '127.0.0.1', () => socket.write(`${READS}/${C}\n`));
      socket.on('data', (chunk: Buffer) => resolve(chunk.toString()));
    });
    expect(word).toBe('drain\n');
  });
});
