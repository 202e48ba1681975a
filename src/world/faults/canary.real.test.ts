import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { freePorts } from '../free-ports.ts';
import { closeControls, heardThrough, openControls, proveCut } from './canary.ts';
import type { LinkTarget } from './spec.ts';

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** The far end of a link as the canary meets it. What it does to what is said may be changed, for open connections or new ones. */
class FarEnd {
  ofOpen: 'answer' | 'silence' | 'end' = 'answer';
  ofNew: 'answer' | 'silence' | 'end' = 'answer';
  port = 0;

  async listen(): Promise<this> {
    const before: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      // The control and the one that waits.
      const isNew = before.push(socket) > 2;
      socket.on('data', (bytes) => {
        const does = isNew ? this.ofNew : this.ofOpen;
        if (does === 'answer') socket.write(bytes);
        else if (does === 'end') socket.end();
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    return this;
  }
}

const cut = (near: number): readonly LinkTarget[] => [
  {
    link: {
      from: placeId('a:1'),
      to: placeId('a:2'),
      controlSocketPath: '',
      rttMs: 2,
      near: {},
      nearNodes: {},
      ping: { near, echo: 0 },
    },
    fault: { state: 'cut', extraDelayMs: 0 },
  },
];

describe('the canary of a cut', () => {
  it('takes no link for cut that answered nobody before', async () => {
    const [port = 0] = await freePorts(1);
    await expect(openControls(cut(port))).rejects.toThrow(/nothing answers through a:1 → a:2 \(closed\)/);
  });

  it.each([
    ['answer', 'answer', /the open connection .* was answered/],
    // What a firewall does that knows only new connections: sessions and replication go on.
    ['answer', 'silence', /the open connection .* was answered/],
    ['silence', 'answer', /a new connection .* was answered/],
    // A relay that died, or a port that refuses, is no cut.
    ['silence', 'end', /a new connection .* was closed/],
    ['end', 'silence', /the open connection .* was closed/],
  ] as const)('is not proven when open connections meet %s and new ones %s', async (ofOpen, ofNew, why) => {
    const far = await new FarEnd().listen();
    const controls = await openControls(cut(far.port));
    Object.assign(far, { ofOpen, ofNew });
    await expect(proveCut(controls)).rejects.toThrow(why);
    closeControls(controls);
  });

  it('is proven by silence on both, and looks again later', async () => {
    const far = await new FarEnd().listen();
    const controls = await openControls(cut(far.port));
    Object.assign(far, { ofOpen: 'silence', ofNew: 'silence' });
    expect(await proveCut(controls)).toContain('all of which answered before');
    closeControls(controls);
    expect(await heardThrough(cut(far.port))).toBe(null);
    far.ofNew = 'answer';
    expect(await heardThrough(cut(far.port))).toContain('a new connection through a:1 → a:2 was answered');
  });
});
