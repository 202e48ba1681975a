import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
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

async function start() {
  const client = await pair();
  const database = await pair();
  const state = { silent: null as string | null, ends: [] as [RelayEnd, boolean][] };
  const relay = new Relay(client.near, database.near, {
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

describe('the check before every write (P7.1)', () => {
  it('lets nothing through that arrives too late, and calls an unanswered commit unknown', async () => {
    const world = await start();
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
    const world = await start();
    world.database.write(Buffer.concat([READY, message('D', 'x'.repeat(100), 50_000)]));
    await world.until('the row began', () => world.bytes() > READY.length + 100);
    world.relay.fence('a newer epoch');
    await world.closed();
    expect(world.seen()).not.toContain('FATAL');
  });

  it('drops what a slow client did not take in time', async () => {
    const world = await start();
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
    const world = await start();
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
    const world = await start();
    world.database.end(message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating\0\0'));
    await world.closed();
    expect(world.seen().match(/VFATAL/g)).toHaveLength(1);
    expect(world.state.ends).toEqual([['closed', false]]);
  });

  it('a client that has said all it had to say still gets its answer', async () => {
    const world = await start();
    await world.ready();
    world.client.end(QUERY);
    await new Promise((resolve) => world.database.once('end', resolve));
    world.database.end(ANSWER);
    await world.closed();
    expect(world.seen()).toContain('INSERT 0 1');
  });
});
