import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Poller, poller } from './poller.ts';
import { Relay, type RelayEnd } from './relay.ts';

/** A relay between two real sockets; the test plays both the client and PostgreSQL. */
const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const each of open.splice(0)) {
    if ('destroy' in each) each.destroy();
    else each.close();
  }
});

async function pair(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const far = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const near = await accepted;
  for (const socket of [near, far]) socket.on('error', () => undefined);
  open.push(server, near, far);
  return { near, far };
}

async function start(carrier: Poller | null) {
  const client = await pair();
  const database = await pair();
  const state = { silent: null as string | null, ends: [] as [RelayEnd, boolean][] };
  const relay = new Relay(client.near, database.near, carrier, {
    whySilent: () => state.silent,
    whyMove: () => null,
    cancelKey: () => undefined,
    cancelUnknown: () => undefined,
    ended: (how, unknown) => state.ends.push([how, unknown]),
  });
  let seen: Buffer = Buffer.alloc(0);
  let closed = false;
  client.far.on('data', (chunk: Buffer) => (seen = Buffer.concat([seen, chunk])));
  client.far.on('end', () => client.far.end());
  client.far.on('close', () => (closed = true));
  const until = async (what: string, check: () => boolean): Promise<void> => {
    const endMs = performance.now() + 5_000;
    while (!check()) {
      if (performance.now() > endMs) throw new Error(`not seen: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  database.far.resume();
  relay.start();
  return {
    relay,
    state,
    client: client.far,
    database: database.far,
    seen: () => seen.toString('latin1'),
    bytes: () => seen.length,
    /** PostgreSQL is ready for the first query, and the client knows. */
    ready: () => {
      database.far.write(READY);
      return until('ready', () => seen.length === READY.length);
    },
    closed: () => until('the client is closed', () => closed),
    until,
  };
}

const message = (type: string, body: string, declared = body.length): Buffer => {
  const bytes = Buffer.from(`${type}    ${body}`, 'latin1');
  bytes.writeInt32BE(declared + 4, 1);
  return bytes;
};
const READY = message('Z', 'I');
const QUERY = message('Q', 'insert into t values (1)\0');
const ANSWER = Buffer.concat([message('C', 'INSERT 0 1\0'), READY]);

it('has the poller wherever it can be', () => {
  const expected = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
  expect(poller !== null).toBe(expected);
});

const carriers: readonly (readonly [string, Poller | null])[] = [
  ['Node alone', null],
  ...(poller === null ? [] : [['the poller', poller] as const]),
];

describe.each(carriers)('carried by %s', (_name, carrier) => {
  describe('the check before every write (P7.1)', () => {
    it('lets nothing through that arrives too late, and calls an unanswered commit unknown', async () => {
      const world = await start(carrier);
      await world.ready();
      const arrived = new Promise((resolve) => world.database.once('data', resolve));
      world.client.write(QUERY);
      await arrived;
      world.state.silent = 'the lease has passed';
      world.database.write(ANSWER);
      await world.closed();
      expect(world.seen()).not.toContain('INSERT 0 1');
      expect(world.seen()).toContain('C08007');
      expect(world.state.ends).toEqual([['fenced', true]]);
    });

    it('says nothing to a client that is inside a long message', async () => {
      const world = await start(carrier);
      world.database.write(Buffer.concat([READY, message('D', 'x'.repeat(100), 50_000)]));
      await world.until('the row began', () => world.bytes() > READY.length + 100);
      world.relay.fence('a newer epoch');
      await world.closed();
      expect(world.seen()).not.toContain('FATAL');
    });

    it('drops what a slow client did not take in time', async () => {
      const world = await start(carrier);
      world.client.pause();
      const row = message('D', 'x'.repeat(8_000));
      world.database.write(Buffer.concat([READY, ...Array.from({ length: 4_000 }, () => row)]));
      await new Promise((resolve) => setTimeout(resolve, 300));
      world.relay.fence('a newer epoch');
      world.client.resume();
      await world.closed();
      expect(world.bytes()).toBeLessThan(4_000 * row.length);
      expect(world.seen()).not.toContain('FATAL');
    });
  });

  describe('how a conversation ends', () => {
    it('PostgreSQL dies in the middle of a held answer: no success, 08007', async () => {
      const world = await start(carrier);
      await world.ready();
      world.client.write(Buffer.concat([message('E', '\0\0\0\0\0'), message('S', '')]));
      await new Promise((resolve) => world.database.once('data', resolve));
      world.database.write(message('C', 'INSERT 0 1\0'));
      await new Promise((resolve) => setTimeout(resolve, 50));
      world.database.destroy();
      await world.closed();
      expect(world.seen()).not.toContain('INSERT 0 1');
      expect(world.seen()).toContain('C08007');
    });

    it('a last word of PostgreSQL is passed on, with nothing added', async () => {
      const world = await start(carrier);
      world.database.end(message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating\0\0'));
      await world.closed();
      expect(world.seen().match(/VFATAL/g)).toHaveLength(1);
      expect(world.state.ends).toEqual([['closed', false]]);
    });

    it('a client that has said all it had to say still gets its answer', async () => {
      const world = await start(carrier);
      await world.ready();
      world.client.end(QUERY);
      await new Promise((resolve) => world.database.once('end', resolve));
      world.database.end(ANSWER);
      await world.closed();
      expect(world.seen()).toContain('INSERT 0 1');
    });
  });

  describe('what is carried', () => {
    it('arrives whole and in order both ways, however slowly it is read', async () => {
      const world = await start(carrier);
      await world.ready();
      const up: Buffer[] = [];
      world.database.on('data', (chunk: Buffer) => up.push(chunk));
      const messages = Array.from({ length: 3_000 }, (_, at) => message('d', `${at} ${'x'.repeat(at % 3_000)}`));
      const sent = Buffer.concat(messages);
      world.client.pause();
      world.database.pause();
      world.client.write(sent);
      world.database.write(sent);
      await new Promise((resolve) => setTimeout(resolve, 100));
      world.client.resume();
      world.database.resume();
      await world.until('all arrived', () => world.bytes() === READY.length + sent.length);
      await world.until('all went up', () => up.reduce((sum, chunk) => sum + chunk.length, 0) === sent.length);
      expect(world.seen().slice(READY.length) === sent.toString('latin1')).toBe(true);
      expect(Buffer.concat(up).equals(sent)).toBe(true);
    });

    it('keeps what is held apart from what comes later', async () => {
      const world = await start(carrier);
      await world.ready();
      world.client.write(Buffer.concat([message('E', '\0\0\0\0\0'), message('S', '')]));
      await new Promise((resolve) => world.database.once('data', resolve));
      const parts = [message('C', 'INSERT 0 1\0'), message('N', 'SNOTICE\0C00000\0Mx\0\0'), READY];
      for (const byte of Buffer.concat(parts)) {
        world.database.write(Buffer.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      const expected = Buffer.concat([READY, ...parts]).toString('latin1');
      await world.until('the answer', () => world.bytes() === expected.length);
      expect(world.seen()).toBe(expected);
    });

    it('leaves Node its turn: timers and other sockets, while bytes flow without a pause', async () => {
      const world = await start(carrier);
      await world.ready();
      let flowing = true;
      world.client.on('data', () => flowing && world.client.write(QUERY));
      world.database.on('data', () => flowing && world.database.write(ANSWER));
      world.client.write(QUERY);
      await world.until('it flows', () => world.bytes() > 1_000);
      const other = await pair();
      const heard = new Promise((resolve) => other.near.once('data', resolve));
      other.near.resume();
      other.far.write('x');
      await heard;
      await new Promise((resolve) => setTimeout(resolve, 30));
      flowing = false;
      expect(world.state.ends).toEqual([]);
    });
  });
});
