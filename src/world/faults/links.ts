import { FarshoreError } from '../../base/errors.ts';
import type { World } from '../open.ts';
import { closeControls, type Control, echoMs, heardThrough, openControls, proveCut } from './canary.ts';
import { LEASE_MS } from './journal.ts';
import { monotonicMs, type Seen } from './seen.ts';
import { type AnySpec, describe, type LinkTarget, linksOf } from './spec.ts';
import { act } from './turn.ts';

/** TCP's retransmissions after a heal are the relay's to play; its state is not. */
const ANSWER_WITHIN_MS = 10_000;

/** Cuts or slows the links of `spec`. The canary asks through each of them, before and after. */
export async function disturb(world: World, spec: AnySpec, id: string): Promise<Seen> {
  const targets = linksOf(world.layout, spec);
  const controls = await openControls(targets);
  try {
    const fromMs = monotonicMs();
    await act(world, id, () => setAll(world, targets));
    const effectiveMs = monotonicMs();
    const evidence = await prove(targets, controls);
    return { fromMs, effectiveMs, provenMs: monotonicMs(), processes: null, what: describe(spec), evidence };
  } finally {
    closeControls(controls);
  }
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

async function prove(targets: readonly LinkTarget[], controls: readonly Control[]): Promise<string> {
  const slow = targets.filter(isSlow);
  const why = await whyNotSlow(slow);
  if (why !== null) throw new FarshoreError('FSH_FAILED', why);
  const said = [
    ...(controls.length === 0 ? [] : [await proveCut(controls)]),
    ...(slow.length === 0 ? [] : [`${slow.length} links: a connection and a byte take the longer way`]),
  ];
  return said.length === 0 ? 'the relay took it' : said.join('; ');
}

const isSlow = ({ fault }: LinkTarget): boolean => fault.state === 'up' && fault.extraDelayMs > 0;

async function whyNotSlow(slow: readonly LinkTarget[]): Promise<string | null> {
  for (const target of slow) {
    const { link, fault } = target;
    const tookMs = await echoMs(target, ANSWER_WITHIN_MS);
    // The handshake and the byte: two round trips.
    const leastMs = (4 * fault.extraDelayMs + 2 * link.rttMs) * 0.9;
    if (tookMs === null || tookMs < leastMs)
      return `${link.from} → ${link.to} answered in ${tookMs} ms: it is not slow`;
  }
  return null;
}

/** What speaks against the links being as they were set; null when nothing does. */
export async function whyNotDisturbed(world: World, targets: readonly LinkTarget[]): Promise<string | null> {
  const states = await Promise.all(
    targets.map(async ({ link, fault }) => {
      const name = `link ${link.from} → ${link.to}`;
      const status = await world.link(link.from, link.to).status();
      if (status.kind !== 'done') return `${name} does not say how it is: ${status.why}`;
      const { state, cutServices } = status.value;
      if (fault.state === 'up') return state === 'up' ? `${name} is as always` : null;
      const isCut = fault.services?.every((it) => cutServices.includes(it)) ?? state === 'cut';
      return isCut ? null : `${name} is not cut any more`;
    }),
  );
  return (
    states.find((it) => it !== null) ?? (await heardThrough(targets)) ?? (await whyNotSlow(targets.filter(isSlow)))
  );
}
