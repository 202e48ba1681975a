import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { FarshoreError } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import type { World } from '../open.ts';
import { wallClockPath } from '../wall-clock-path.ts';
import { monotonicMs, type Seen } from './seen.ts';
import { act } from './turn.ts';

/** How well an agent's word and our own clock can be compared through a request that takes a moment. */
const EXACT_TO_MS = 250;
const SEEN_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 25;

/**
 * The wall clocks of a place's processes jump, as after a wrong NTP answer or a virtual machine restored: agent, store, edge, DNS.
 * PostgreSQL keeps the machine's own, and so does CLOCK_MONOTONIC, which no machine lets jump. The canary asks the agents for the time.
 */
export async function skewClock(world: World, place: PlaceId, byMs: number, id: string): Promise<Seen> {
  const fromMs = monotonicMs();
  const path = wallClockPath(world.layout, place);
  await act(world, id, () => {
    writeFileSync(`${path}.new`, String(byMs), { mode: 0o644 });
    renameSync(`${path}.new`, path);
  });
  const effectiveMs = monotonicMs();
  const offs = await untilOff(world, place, byMs);
  const why = whyNot(offs, place, byMs);
  if (why !== null) throw new FarshoreError('FSH_FAILED', why);
  const evidence = offs.map(({ node, offMs }) => `${node} is off by ${Math.round(offMs)} ms`).join(', ');
  const what = `the wall clock of ${place} is off by ${byMs} ms`;
  return { fromMs, effectiveMs, provenMs: monotonicMs(), processes: offs.length, what, evidence };
}

/** What speaks against the place's clocks being off by so much; null when nothing does. */
export async function whyNotOff(world: World, place: PlaceId, byMs: number): Promise<string | null> {
  return whyNot(await untilOff(world, place, byMs), place, byMs);
}

function whyNot(offs: readonly Off[], place: PlaceId, byMs: number): string | null {
  if (offs.length === 0) return `no agent of ${place} answers: nobody there can be asked for the time`;
  const wrong = offs.find(({ offMs }) => Math.abs(offMs - byMs) > EXACT_TO_MS);
  return wrong === undefined ? null : `the clock of ${wrong.node} is off by ${Math.round(wrong.offMs)} ms`;
}

/** Right again; returns whose clock is not. An agent that does not answer has read nothing else since the file is gone. */
export async function setClockRight(world: World, place: PlaceId): Promise<readonly string[]> {
  rmSync(wallClockPath(world.layout, place), { force: true });
  const offs = await untilOff(world, place, 0);
  return offs.flatMap(({ node, offMs }) =>
    Math.abs(offMs) > EXACT_TO_MS ? [`the clock of ${node} is still off by ${Math.round(offMs)} ms`] : [],
  );
}

interface Off {
  readonly node: string;
  readonly offMs: number;
}

/** Asks until all that answer are off by `byMs`, or the time is over. */
async function untilOff(world: World, place: PlaceId, byMs: number): Promise<readonly Off[]> {
  const endMs = monotonicMs() + SEEN_WITHIN_MS;
  for (;;) {
    const offs = await askOffs(world, place);
    const areThere = offs.length > 0 && offs.every(({ offMs }) => Math.abs(offMs - byMs) <= EXACT_TO_MS);
    if (areThere || monotonicMs() > endMs) return offs;
    await sleep(LOOK_EVERY_MS);
  }
}

async function askOffs(world: World, place: PlaceId): Promise<readonly Off[]> {
  const beforeMs = Date.now();
  const answers = await world.statuses();
  // It read its clock between the question and the answer.
  const middleMs = (beforeMs + Date.now()) / 2;
  return answers.flatMap((answer) =>
    answer.place === place && answer.answered && answer.last !== null
      ? [{ node: answer.node, offMs: answer.last.value.observedAtWallMs - middleMs }]
      : [],
  );
}
