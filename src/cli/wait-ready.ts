import { setTimeout as sleep } from 'node:timers/promises';
import type { Reason } from '../base/reason.ts';
import { logTail } from '../world/log-tail.ts';
import type { World } from '../world/open.ts';
import { glanceAtWorld, type WorldGlance } from '../world/status.ts';
import { seconds } from './text.ts';

const LOOK_EVERY_MS = 150;
/** A process that ended so often at the start will not come up by itself. */
const RESTARTS_WORTH_SAYING = 3;

export type Readiness =
  | { readonly kind: 'ready'; readonly tookMs: number }
  | { readonly kind: 'timeout'; readonly why: Reason }
  | { readonly kind: 'stopped' };

/**
 * Waits until a world is ready, and says on the way what each node is doing, one line per change.
 * `startedMs` is when the start began, by performance.now().
 */
export async function waitUntilReady(
  world: World,
  startedMs: number,
  timeoutMs: number,
  say: (line: string) => void,
  isStopped: () => boolean,
): Promise<Readiness> {
  const progress = new Progress(world, startedMs, say);
  for (;;) {
    const glance = await glanceAtWorld(world);
    if (isStopped() || glance.supervisor === null || glance.supervisor.stopping) return { kind: 'stopped' };
    progress.show(glance);
    const tookMs = performance.now() - startedMs;
    if (glance.state === 'ready') return { kind: 'ready', tookMs };
    if (tookMs > timeoutMs) return { kind: 'timeout', why: glance.why };
    await sleep(LOOK_EVERY_MS);
  }
}

class Progress {
  readonly #world: World;
  readonly #startedMs: number;
  readonly #say: (line: string) => void;
  readonly #said = new Map<string, string>();

  constructor(world: World, startedMs: number, say: (line: string) => void) {
    this.#world = world;
    this.#startedMs = startedMs;
    this.#say = say;
  }

  show(glance: WorldGlance): void {
    for (const { node, answered, last } of glance.answers) {
      if (answered && last !== null && last.value.role !== 'observer') this.#changed(node, last.value.why.text);
    }
    // The nodes have said what they wait for; the rest is about the world as a whole.
    const worldly = ['edge-not-serving', 'link-fault', 'rpo-suspended', 'store-unreachable'].includes(glance.why.code);
    if (worldly) this.#changed('world', glance.why.text);
    for (const it of glance.supervisor?.processes ?? []) {
      if (it.restarts < RESTARTS_WORTH_SAYING) continue;
      const log = this.#world.layout.processes.find((plan) => plan.name === it.name)?.logPath ?? '';
      this.#changed(it.name, `ended ${it.restarts} times (${it.lastExit}): ${logTail(log)}`);
    }
  }

  /** Digits that count up (bytes copied) are one step, not many. */
  #changed(subject: string, text: string): void {
    const step = text.replaceAll(/\d[\d./ ]*/g, '#');
    if (this.#said.get(subject) === step) return;
    this.#said.set(subject, step);
    this.#say(`  ${seconds(performance.now() - this.#startedMs).padStart(6)}  ${subject.padEnd(24)} ${text}`);
  }
}
