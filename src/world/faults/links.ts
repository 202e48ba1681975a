import { connect } from 'node:net';
import { FarshoreError } from '../../base/errors.ts';
import { HOST } from '../layout.ts';
import type { World } from '../open.ts';
import { LEASE_MS } from './journal.ts';
import { monotonicMs, type Seen } from './seen.ts';
import { type AnySpec, describe, type LinkTarget, linksOf, nearOf } from './spec.ts';
import { act } from './turn.ts';

/** How much longer than its round trips an answer may take before there is none. */
const SLACK_MS = 150;
/** TCP's retransmissions after a heal are the relay's to play; its state is not. */
const ANSWER_WITHIN_MS = 10_000;

/** Cuts or slows the links of `spec`. The canary opens a connection through each of them, as anybody would. */
export async function disturb(world: World, spec: AnySpec, id: string): Promise<Seen> {
  const targets = linksOf(world.layout, spec);
  const fromMs = monotonicMs();
  await act(world, id, () => setAll(world, targets));
  const effectiveMs = monotonicMs();
  const evidence = await prove(targets);
  return { fromMs, effectiveMs, provenMs: monotonicMs(), processes: null, what: describe(spec), evidence };
}

/** Sets or refreshes all of them for the length of the lease. */
export async function setAll(world: World, targets: readonly LinkTarget[]): Promise<void> {
  const sets = await Promise.all(
    targets.map(async ({ link, fault }) => ({ link, set: await world.link(link.from, link.to).set(fault, LEASE_MS) })),
  );
  // All are answered before the first refusal is told: one on its way could otherwise pass the heal.
  for (const { link, set } of sets)
    if (set.kind !== 'done') throw new FarshoreError('FSH_FAILED', `link ${link.from} → ${link.to}: ${set.why}`);
}

/** Everything up again; returns what is not. */
export async function heal(world: World, targets: readonly LinkTarget[]): Promise<readonly string[]> {
  const left = await Promise.all(
    targets.map(async ({ link, fault }) => {
      const services = fault.services === undefined ? {} : { services: fault.services };
      const set = await world.link(link.from, link.to).set({ state: 'up', extraDelayMs: 0, ...services });
      // A relay that does not run carries no fault; it starts healthy.
      if (set.kind === 'refused' && set.code === 'not-running') return [];
      const name = `link ${link.from} → ${link.to}`;
      if (set.kind !== 'done') return [`${name}: ${set.why}`];
      const cut = set.value.cutServices.filter((it) => fault.services?.includes(it) ?? true);
      return cut.length === 0 ? [] : [`${name} still cuts ${cut.join(', ')}`];
    }),
  );
  return left.flat();
}

async function prove(targets: readonly LinkTarget[]): Promise<string> {
  const cut = targets.filter(({ fault }) => fault.state === 'cut');
  const slow = targets.filter(({ fault }) => fault.state === 'up' && fault.extraDelayMs > 0);
  const answered = (await Promise.all(cut.flatMap(probesOf).map((it) => answersWithin(it, it.waitMs)))).filter(Boolean);
  if (answered.length > 0)
    throw new FarshoreError('FSH_FAILED', `${answered.length} new connections were answered through cut links`);
  for (const { link, fault } of slow) {
    const tookMs = await answersWithin({ port: link.ping.near, hello: '.' }, ANSWER_WITHIN_MS);
    // The handshake and the byte: two round trips.
    const leastMs = (4 * fault.extraDelayMs + 2 * link.rttMs) * 0.9;
    if (tookMs === null || tookMs < leastMs)
      throw new FarshoreError('FSH_FAILED', `${link.from} → ${link.to} answered in ${tookMs} ms: it is not slow`);
  }
  const said = [
    ...(cut.length === 0 ? [] : [`${cut.length} links: no new connection through any of them gets an answer`]),
    ...(slow.length === 0 ? [] : [`${slow.length} links: a connection and a byte take the longer way`]),
  ];
  return said.length === 0 ? 'the relay took it' : said.join('; ');
}

interface Probe {
  readonly port: number;
  readonly hello: string | Uint8Array;
}

/** What a server answers at once without knowing who asks. */
const HELLO: Readonly<Record<string, string | Uint8Array>> = {
  store: 'GET / HTTP/1.0\r\n\r\n',
  // SSLRequest.
  postgres: Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47),
};

function probesOf({ link, fault }: LinkTarget): readonly (Probe & { readonly waitMs: number })[] {
  const waitMs = 2 * link.rttMs + SLACK_MS;
  if (fault.services === undefined) return [{ port: link.ping.near, hello: '.', waitMs }];
  return fault.services.flatMap((service) => {
    const port = nearOf(link, service);
    const hello = HELLO[service];
    return port === null || hello === undefined ? [] : [{ port, hello, waitMs }];
  });
}

/** Milliseconds until the first byte of an answer; null when none came. */
function answersWithin({ port, hello }: Probe, withinMs: number): Promise<number | null> {
  const startedMs = monotonicMs();
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    const finish = (tookMs: number | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(tookMs);
    };
    const timer = setTimeout(() => finish(null), withinMs);
    socket.on('error', () => finish(null));
    socket.on('close', () => finish(null));
    socket.once('data', () => finish(monotonicMs() - startedMs));
    socket.write(hello);
  });
}
