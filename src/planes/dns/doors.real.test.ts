/** Real sockets: what the network does to a server, and what it must not be able to do. */
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { openDoors } from './doors.ts';
import { DNS_LIMITS, type DnsLimits } from './limits.ts';
import { RateLimiter } from './rate-limit.ts';
import { queryOf, read, responderOf } from './testing.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(limits: Partial<DnsLimits> = {}, perSecond = 0, host = '127.0.0.1') {
  const doors = await openDoors({
    listen: [{ host, port: 0 }],
    responder: responderOf({}, { lead: () => 1, scopeOf: () => 0 }),
    limiter: new RateLimiter({ perSecond, slip: 2 }, () => false, 7),
    limits: { ...DNS_LIMITS, ...limits },
    clock: nodeClock,
  });
  cleanups.push(() => doors.close());
  return { ...doors, port: doors.ports[0] ?? 0 };
}

/** Sends datagrams and collects what comes back. */
function udpClient(port: number, host = '127.0.0.1') {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const answers: Buffer[] = [];
  socket.on('message', (bytes) => answers.push(bytes));
  cleanups.push(() => socket.close());
  return {
    answers,
    send: (bytes: Uint8Array) => new Promise<void>((resolve) => socket.send(bytes, port, host, () => resolve())),
  };
}

async function tcpClient(port: number): Promise<{ socket: Socket; got: () => Buffer[]; closed: Promise<void> }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  cleanups.push(() => socket.destroy());
  let bytes = Buffer.alloc(0);
  socket.on('data', (chunk) => (bytes = Buffer.concat([bytes, chunk])));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  const got = () => {
    const answers: Buffer[] = [];
    for (let at = 0; at + 2 <= bytes.length; ) {
      const end = at + 2 + bytes.readUInt16BE(at);
      if (end > bytes.length) break;
      answers.push(bytes.subarray(at + 2, end));
      at = end;
    }
    return answers;
  };
  return { socket, got, closed };
}

async function until(what: string, fact: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!fact()) {
    if (performance.now() > endMs) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const framed = (query: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  return Buffer.concat([length, query]);
};
const [A, NS, LONG] = [
  queryOf('shop.example', 'A'),
  queryOf('shop.example', 'NS'),
  queryOf('long.shop.example', 'TXT'),
];

describe('UDP', () => {
  it.each(['127.0.0.1', '::1'])('answers on %s', async (host) => {
    const { port } = await open({}, 0, host);
    const client = udpClient(port, host);
    await client.send(A);
    await until('an answer', () => client.answers.length === 1);
    expect(read(client.answers[0] ?? A).answers).toEqual(['shop.example 20 A 192.0.2.2']);
  });

  it('lives through a flood of garbage, answers to answers never, and still serves', async () => {
    const { port, counters } = await open();
    const client = udpClient(port);
    let state = 12_345;
    const random = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16;
    for (let i = 0; i < 5_000; i += 1) {
      const bytes = i % 2 === 0 ? Buffer.from(A) : Buffer.alloc(random() % 200);
      for (let n = 0; n < (i % 2 === 0 ? 3 : bytes.length); n += 1)
        bytes[random() % Math.max(1, bytes.length)] = random();
      if (bytes.length > 2) bytes[2] = (bytes[2] ?? 0) | 0x80;
      await client.send(bytes);
    }
    await until('all of it arrived', () => counters().udp.received > 4_000);
    expect(client.answers).toEqual([]);
    await client.send(A);
    await until('an answer', () => client.answers.length === 1);
  });

  it('over the limit every second answer is cut, the others are not sent; TCP goes on', async () => {
    const { port, counters } = await open({}, 5);
    const client = udpClient(port);
    for (let i = 0; i < 205; i += 1) await client.send(A);
    await until('all of it arrived', () => counters().udp.received === 205);
    await until('answers', () => client.answers.length === counters().udp.sent);
    const whole = client.answers.filter((answer) => !read(answer).tc);
    // At most two seconds' worth, should the second change on the way.
    expect(whole.length).toBeGreaterThanOrEqual(5);
    expect(whole.length).toBeLessThanOrEqual(15);
    expect(client.answers.length - whole.length).toBeGreaterThanOrEqual(90);
    const tcp = await tcpClient(port);
    tcp.socket.write(framed(A));
    await until('an answer by TCP', () => tcp.got().length === 1);
  });
});

describe('TCP (RFC 7766)', () => {
  it('answers any number of queries on one connection, however their bytes arrive', async () => {
    const { port, counters } = await open();
    const { socket, got } = await tcpClient(port);
    const bytes = Buffer.concat([framed(A), framed(NS), framed(LONG)]);
    for (let i = 0; i < bytes.length; i += 7) {
      socket.write(bytes.subarray(i, i + 7));
      if (i % 21 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until('three answers', () => got().length === 3);
    expect(got().map((it) => read(it).answers.length)).toEqual([1, 2, 1]);
    socket.write(Buffer.concat(Array.from({ length: 500 }, () => framed(A))));
    await until('500 more', () => got().length === 503);
    expect(counters().tcp).toMatchObject({ connections: 1, queries: 503 });
  });

  it('closes what is idle, also when a byte comes now and then', async () => {
    const { port, counters } = await open({ tcpIdleMs: 300 });
    const slow = await tcpClient(port);
    const drip = setInterval(() => slow.socket.write(Buffer.of(0)), 40);
    cleanups.push(() => clearInterval(drip));
    await (await tcpClient(port)).closed;
    await slow.closed;
    await until('none is open', () => counters().tcpOpen === 0);
  });

  it('makes room by closing the one that is idle the longest, and bounds each client', async () => {
    const { port, counters } = await open({ tcpConnectionsMax: 2 });
    const [first, second] = [await tcpClient(port), await tcpClient(port)];
    await until('both are known', () => counters().tcpOpen === 2);
    first.socket.write(framed(A));
    await until('an answer', () => first.got().length === 1);
    await tcpClient(port);
    await second.closed;
    first.socket.write(framed(A));
    await until('another answer', () => first.got().length === 2);
    const few = await open({ tcpPerClientMax: 1 });
    const kept = await tcpClient(few.port);
    await (await tcpClient(few.port)).closed;
    kept.socket.write(framed(A));
    await until('an answer', () => kept.got().length === 1);
  });

  it('closes on what is no query: an answer, or more bytes than any query has', async () => {
    const { port } = await open();
    for (const bytes of [Buffer.from([0, 12, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([0xff, 0xff])]) {
      const { socket, closed, got } = await tcpClient(port);
      socket.write(bytes);
      await closed;
      expect(got()).toEqual([]);
    }
  });

  it('stops reading from a client that does not read, and does not remember his answers without bound', async () => {
    const { port, counters } = await open({ tcpUnreadBytesMax: 16_384 });
    const { socket } = await tcpClient(port);
    socket.pause();
    const many = Buffer.concat(Array.from({ length: 1_000 }, () => framed(LONG)));
    const flood = setInterval(() => socket.writableLength < 1_000_000 && socket.write(many), 1);
    cleanups.push(() => clearInterval(flood));
    await until("the client's own buffer is full", () => socket.writableLength >= 1_000_000);
    const before = counters().tcp.queries;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(counters().tcp.queries - before).toBeLessThan(2_000);
    const other = await tcpClient(port);
    other.socket.write(framed(A));
    await until('another client is served', () => other.got().length === 1);
  });
});

it('a port that is taken is said so, and nothing stays open', async () => {
  const { port } = await open();
  const again = () =>
    openDoors({
      listen: [
        { host: '127.0.0.1', port: 0 },
        { host: '127.0.0.1', port },
      ],
      responder: responderOf(),
      limiter: new RateLimiter({ perSecond: 0, slip: 0 }, () => false, 1),
      limits: DNS_LIMITS,
      clock: nodeClock,
    });
  await expect(again()).rejects.toMatchObject({ code: 'FSH_PORT_IN_USE' });
});
