import type { NodeId, PlaceId } from '../../base/ids.ts';
import type { Secrets } from '../../ports/config.ts';
import { controlCall } from '../control-call.ts';
import { dataNodesOf, isPartOf, type ProcessKind, type ProcessPlan, type WorldLayout } from '../layout.ts';
import { killUntilGone, processesOfWorld } from '../leftovers.ts';
import { Child } from './child.ts';
import type { SupervisorStatus } from './protocol.ts';

const FAST_STOP_GRACE_MS = 5_000;
const KILL_LEFTOVERS_MS = 5_000;

/**
 * Order of the end: nobody asks any more, nobody decides any more, PostgreSQL closes cleanly, then the network and the store.
 * `graceMs` counts from SIGTERM to SIGKILL.
 */
const STAGES: readonly { readonly kinds: readonly ProcessKind[]; readonly graceMs: number }[] = [
  { kinds: ['app', 'edge', 'haproxy', 'haproxy-driver', 'dns'], graceMs: 2_000 },
  { kinds: ['gateway', 'agent'], graceMs: 3_000 },
  { kinds: ['keeper'], graceMs: 3_000 },
  { kinds: ['link'], graceMs: 1_000 },
  { kinds: ['store'], graceMs: 3_000 },
];

interface HoldTimer {
  readonly holder: string;
  readonly expiresAtMs: number;
  readonly timer: NodeJS.Timeout;
}

/** Starts every process of a world, restarts what ends, and ends all of it in order. The only one that spawns. */
export class Supervisor {
  readonly #layout: WorldLayout;
  readonly #children: readonly Child[];
  readonly #holds = new Map<PlaceId | NodeId, HoldTimer>();
  readonly #startedMs = performance.now();
  #stopping: Promise<void> | null = null;

  /** `onChange` is called after every start and end of a process. */
  constructor(layout: WorldLayout, secrets: Secrets, onChange: (status: SupervisorStatus) => void) {
    this.#layout = layout;
    this.#children = layout.processes.map(
      (plan) => new Child(plan, environment(plan, secrets), () => onChange(this.status())),
    );
  }

  start(): void {
    for (const child of this.#children) child.start();
  }

  /** `target`: a whole place or one node of it. */
  hold(target: PlaceId | NodeId, holder: string, expiresInMs: number): void {
    const before = this.#holds.get(target);
    if (before !== undefined) clearTimeout(before.timer);
    const timer = setTimeout(() => this.release(target), expiresInMs);
    this.#holds.set(target, { holder, expiresAtMs: performance.now() + expiresInMs, timer });
    for (const child of this.#of(target)) child.hold();
  }

  release(target: PlaceId | NodeId): void {
    const hold = this.#holds.get(target);
    if (hold === undefined) return;
    clearTimeout(hold.timer);
    this.#holds.delete(target);
    for (const child of this.#of(target)) if (!this.#isHeld(child)) child.release();
  }

  /** Ends every process. Calling it again waits for the same end. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopInOrder();
    return this.#stopping;
  }

  status(): SupervisorStatus {
    return {
      pid: process.pid,
      upMs: performance.now() - this.#startedMs,
      stopping: this.#stopping !== null,
      processes: this.#children.map((child) => child.state()),
      holds: [...this.#holds].map(([target, { holder, expiresAtMs }]) => ({
        target,
        holder,
        expiresInMs: Math.max(0, expiresAtMs - performance.now()),
      })),
    };
  }

  #of(target: PlaceId | NodeId): readonly Child[] {
    return this.#children.filter((child) => isPartOf(child.plan, target));
  }

  /** A node stays down while its whole place is held, and the other way round. */
  #isHeld(child: Child): boolean {
    return [...this.#holds.keys()].some((target) => isPartOf(child.plan, target));
  }

  async #stopInOrder(): Promise<void> {
    for (const hold of this.#holds.values()) clearTimeout(hold.timer);
    this.#holds.clear();
    for (const child of this.#children) child.abandon();
    for (const stage of STAGES) {
      const children = this.#children.filter((child) => stage.kinds.includes(child.plan.kind));
      if (stage.kinds.includes('keeper')) await this.#stopPostgres();
      await Promise.all(children.map((child) => child.stop(stage.graceMs)));
    }
    await killUntilGone(() => processesOfWorld(this.#layout), KILL_LEFTOVERS_MS);
  }

  /** A clean end: the standbys get the last WAL, and the next start needs no recovery. */
  async #stopPostgres(): Promise<void> {
    const request = { do: 'stop', how: 'fast', graceMs: FAST_STOP_GRACE_MS };
    const running = this.#children.filter((child) => child.identity !== null).map((child) => child.plan.node);
    const nodes = dataNodesOf(this.#layout).filter((node) => running.includes(node.id));
    await Promise.all(nodes.map((node) => controlCall(node.keeperSocketPath, request, FAST_STOP_GRACE_MS + 3_000)));
  }
}

/** What a process is started with. Passwords are put in here and nowhere else. */
function environment(plan: ProcessPlan, secrets: Secrets): Readonly<Record<string, string>> {
  const env: Record<string, string> = { ...plan.env };
  for (const [name, text] of Object.entries(plan.databaseUrls)) {
    const urls = text.split(',').map((one) => new URL(one));
    for (const url of urls) url.password = secrets.appPassword;
    env[name] = urls.map((url) => url.href).join(',');
  }
  return env;
}
