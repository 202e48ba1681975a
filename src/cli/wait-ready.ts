import { setTimeout as sleep } from 'node:timers/promises';
import { because, type Reason } from '../base/reason.ts';
import { describeFailing } from '../world/ends.ts';
import type { NodeId } from '../base/ids.ts';
import type { NodeAnswer, World } from '../world/open.ts';
import { glanceAtWorld, type WorldGlance } from '../world/status.ts';
import { seconds } from './text.ts';

const LOOK_EVERY_MS = 150;
/** A verdict of the nodes that a later look may correct is not final before this. */
const HOPELESS_AFTER_MS = 2_000;

export type Readiness =
  | { readonly kind: 'ready'; readonly tookMs: number }
  | { readonly kind: 'timeout'; readonly why: Reason }
  /** Waiting helps nobody: the store or the data is not this world's. */
  | { readonly kind: 'hopeless'; readonly code: 'FSH_STORE_BEHIND' | 'FSH_DATA_FOREIGN'; readonly why: Reason }
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
  const progress = new Progress(startedMs, say);
  let hopelessSinceMs: number | null = null;
  for (;;) {
    const glance = await glanceAtWorld(world);
    if (isStopped() || glance.supervisor === null || glance.supervisor.stopping) return { kind: 'stopped' };
    progress.show(glance);
    const tookMs = performance.now() - startedMs;
    if (glance.state === 'ready') return { kind: 'ready', tookMs };
    const hopeless = whyHopeless(glance.answers, world.layout.policy.dataNodes);
    hopelessSinceMs = hopeless === null ? null : (hopelessSinceMs ?? performance.now());
    if (hopeless !== null && hopelessSinceMs !== null && performance.now() - hopelessSinceMs > HOPELESS_AFTER_MS)
      return { kind: 'hopeless', ...hopeless };
    if (tookMs > timeoutMs) return { kind: 'timeout', why: glance.why };
    await sleep(LOOK_EVERY_MS);
  }
}

/**
 * What no waiting mends: the store has forgotten what the databases know (every data node says so, or waits for one that does), or
 * the node that makes the first database finds data of another cluster. Null while there is hope.
 */
export function whyHopeless(
  answers: readonly NodeAnswer[],
  dataNodes: readonly NodeId[],
): { readonly code: 'FSH_STORE_BEHIND' | 'FSH_DATA_FOREIGN'; readonly why: Reason } | null {
  const whyOf = (node: NodeId): Reason | null => {
    const answer = answers.find((it) => it.node === node && it.answered);
    return answer?.last?.value.why ?? null;
  };
  const [first] = dataNodes;
  const foreign = first === undefined ? null : whyOf(first);
  if (foreign?.code === 'data-foreign')
    return { code: 'FSH_DATA_FOREIGN', why: because(foreign.code, `${first}: ${foreign.text}`) };
  const whys = dataNodes.map(whyOf);
  const behind = whys.findIndex((why) => why?.code === 'store-behind');
  if (behind === -1 || !whys.every((why) => why !== null && WAITS_FOR_STORE.has(why.code))) return null;
  return { code: 'FSH_STORE_BEHIND', why: because('store-behind', `${dataNodes[behind]}: ${whys[behind]?.text}`) };
}

/** An empty node says only that it waits for the first one. */
const WAITS_FOR_STORE: ReadonlySet<string> = new Set(['store-behind', 'no-primary-yet']);

class Progress {
  readonly #startedMs: number;
  readonly #say: (line: string) => void;
  readonly #said = new Map<string, string>();

  constructor(startedMs: number, say: (line: string) => void) {
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
    for (const end of glance.ends) if (end.failing) this.#changed(end.name, describeFailing(end));
  }

  /** Digits that count up (bytes copied) are one step, not many. */
  #changed(subject: string, text: string): void {
    const step = text.replaceAll(/\d[\d./ ]*/g, '#');
    if (this.#said.get(subject) === step) return;
    this.#said.set(subject, step);
    this.#say(`  ${seconds(performance.now() - this.#startedMs).padStart(6)}  ${subject.padEnd(24)} ${text}`);
  }
}
