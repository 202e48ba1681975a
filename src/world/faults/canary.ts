import { connect, type Socket } from 'node:net';
import { FarshoreError } from '../../base/errors.ts';
import { HOST } from '../layout.ts';
import { monotonicMs } from './seen.ts';
import { type LinkTarget, nearOf } from './spec.ts';

/** How much longer than its round trips an answer may take before there is none. */
const SLACK_MS = 150;
/** Nothing is broken yet, so a busy machine may take its time. */
const CONTROL_WITHIN_MS = 5_000;
/** A machine that took so long to answer the control would take this many times longer at most. */
const BUSIER = 3;
const SILENT_MOST_MS = 3_000;

interface Probe {
  readonly name: string;
  readonly port: number;
  readonly hello: string | Uint8Array;
  readonly waitMs: number;
}

/** A way through a link that answered while it was whole: what the silence after the cut is compared with. */
export interface Control {
  readonly probe: Probe;
  /** Open since before the cut, and nothing was said on it yet: a server of HTTP may close one after its answer. */
  readonly socket: Socket;
  readonly tookMs: number;
}

/** What a server answers at once without knowing who asks, be it with an error. */
const HELLO: Readonly<Record<string, string | Uint8Array>> = {
  store: 'GET / HTTP/1.1\r\nHost: farshore\r\n\r\n',
  // SSLRequest.
  postgres: Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47),
};

function probesOf({ link, fault }: LinkTarget): readonly Probe[] {
  const waitMs = 2 * link.rttMs + SLACK_MS;
  const name = `${link.from} → ${link.to}`;
  if (fault.services === undefined) return [{ name, port: link.ping.near, hello: '.', waitMs }];
  return fault.services.flatMap((service) => {
    const port = nearOf(link, service);
    const hello = HELLO[service];
    return port === null || hello === undefined ? [] : [{ name: `${name} ${service}`, port, hello, waitMs }];
  });
}

/**
 * Two connections through each link that is about to be cut: one is answered, the other waits for the cut. Silence alone proves
 * nothing: a server that is down, or a machine that is slow, is silent as well. Throws FSH_FAILED when nothing answers; nothing was
 * cut then.
 */
export async function openControls(targets: readonly LinkTarget[]): Promise<readonly Control[]> {
  const probes = targets.filter(({ fault }) => fault.state === 'cut').flatMap(probesOf);
  const asked = await Promise.all(
    probes.map(async (probe) => {
      const socket = open(probe);
      return { probe, socket, heard: await askOnce(probe, CONTROL_WITHIN_MS) };
    }),
  );
  const dumb = asked.find(({ heard }) => heard.kind !== 'answered');
  if (dumb === undefined) return asked.map(({ probe, socket, heard }) => ({ probe, socket, tookMs: heard.afterMs }));
  closeControls(asked);
  const what = `nothing answers through ${dumb.probe.name} (${dumb.heard.kind}) without any fault`;
  throw new FarshoreError('FSH_FAILED', `${what}, so that a cut could not be told from it; nothing was cut`);
}

export const closeControls = (controls: readonly Pick<Control, 'socket'>[]): void =>
  controls.forEach(({ socket }) => void socket.destroy());

/** Neither the connections from before the cut nor new ones get an answer, and none is closed. Throws FSH_FAILED otherwise. */
export async function proveCut(controls: readonly Control[]): Promise<string> {
  const heard = await Promise.all(
    controls.flatMap(({ probe, socket, tookMs }) => {
      const waitMs = Math.max(probe.waitMs, Math.min(BUSIER * tookMs, SILENT_MOST_MS));
      return [
        hear(socket, probe.hello, waitMs).then((it) => said(probe, 'the open connection', it)),
        askAnew(probe, waitMs),
      ];
    }),
  );
  const why = heard.find((it) => it !== null);
  if (why !== undefined) throw new FarshoreError('FSH_FAILED', `a cut link is not cut: ${why}`);
  const links = `${controls.length} ways, all of which answered before`;
  return `${links}: neither the connection that was open nor a new one gets an answer through any of them`;
}

/** What still comes through links that are cut; null when nothing does. */
export async function heardThrough(targets: readonly LinkTarget[]): Promise<string | null> {
  const probes = targets.filter(({ fault }) => fault.state === 'cut').flatMap(probesOf);
  return (await Promise.all(probes.map((it) => askAnew(it, it.waitMs)))).find((it) => it !== null) ?? null;
}

const askAnew = async (probe: Probe, waitMs: number): Promise<string | null> =>
  said(probe, 'a new connection', await askOnce(probe, waitMs));

async function askOnce(probe: Probe, waitMs: number): Promise<Heard> {
  const socket = open(probe);
  const heard = await hear(socket, probe.hello, waitMs);
  socket.destroy();
  return heard;
}

const said = ({ name }: Probe, which: string, { kind, afterMs }: Heard): string | null =>
  kind === 'silent' ? null : `${which} through ${name} was ${kind} after ${Math.round(afterMs)} ms`;

interface Heard {
  /** `closed`: refused, reset or ended. A cut does none of that. */
  readonly kind: 'answered' | 'closed' | 'silent';
  readonly afterMs: number;
}

function open({ port }: Pick<Probe, 'port'>): Socket {
  const socket = connect({ host: HOST, port });
  // `hear` listens while it waits; what comes later concerns nobody.
  socket.on('error', () => undefined);
  return socket;
}

/** Says something and waits for the first byte. */
function hear(socket: Socket, hello: string | Uint8Array, withinMs: number): Promise<Heard> {
  const startedMs = monotonicMs();
  return new Promise((resolve) => {
    const finish = (kind: Heard['kind']) => (): void => {
      clearTimeout(timer);
      for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
      resolve({ kind, afterMs: monotonicMs() - startedMs });
    };
    const listeners = { data: finish('answered'), close: finish('closed'), end: finish('closed') };
    const timer = setTimeout(finish('silent'), withinMs);
    for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
    if (socket.destroyed) finish('closed')();
    else socket.write(hello);
  });
}

/** Milliseconds until a new connection through a link's own echo was answered; null when it was not. */
export async function echoMs({ link }: LinkTarget, withinMs: number): Promise<number | null> {
  const probe = { name: 'ping', port: link.ping.near, hello: '.', waitMs: withinMs };
  const { kind, afterMs } = await askOnce(probe, withinMs);
  return kind === 'answered' ? afterMs : null;
}
