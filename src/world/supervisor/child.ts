import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import type { ProcessPlan } from '../layout.ts';
import { logTail } from '../log-tail.ts';
import { isAlive, type ProcessIdentity, readStat } from '../proc.ts';
import type { ProcessState, UnaskedEnd } from './protocol.ts';

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
/** One that lived this long and then ended starts with a short wait again. */
const HEALTHY_AFTER_MS = 10_000;

/** One process of the world: started, started again when it ends, until it is held or stopped. */
export class Child {
  readonly plan: ProcessPlan;
  readonly #env: Readonly<Record<string, string>>;
  readonly #onChange: () => void;
  #process: ChildProcess | null = null;
  #identity: ProcessIdentity | null = null;
  #wanted = false;
  #held = false;
  #restarts = 0;
  #backoffMs = FIRST_BACKOFF_MS;
  #timer: NodeJS.Timeout | null = null;
  #sinceMs = performance.now();
  #lastExit: string | null = null;
  #lastUnasked: (Omit<UnaskedEnd, 'agoMs'> & { readonly atMs: number }) | null = null;
  /** Where the log of this run begins. */
  #logFromByte = 0;
  #ended: Promise<void> = Promise.resolve();

  constructor(plan: ProcessPlan, env: Readonly<Record<string, string>>, onChange: () => void) {
    this.plan = plan;
    this.#env = env;
    this.#onChange = onChange;
  }

  get identity(): ProcessIdentity | null {
    return this.#identity;
  }

  start(): void {
    this.#wanted = true;
    this.#startIfAllowed();
  }

  /** No restart until `release`. What runs goes on running. */
  hold(): void {
    this.#held = true;
    this.#cancelRestart();
  }

  release(): void {
    this.#held = false;
    this.#backoffMs = FIRST_BACKOFF_MS;
    if (this.#wanted) this.#startIfAllowed();
  }

  /** Asks it to end with SIGTERM, kills its group after `graceMs`; resolves when it is gone. Never restarted after. */
  async stop(graceMs: number): Promise<void> {
    this.#wanted = false;
    this.#cancelRestart();
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Never restarted from now on; what runs goes on. */
  abandon(): void {
    this.#wanted = false;
    this.#cancelRestart();
  }

  state(): ProcessState {
    const running = this.#process !== null;
    return {
      name: this.plan.name,
      place: this.plan.place,
      node: this.plan.node,
      kind: this.plan.kind,
      state: running ? 'running' : this.#held ? 'held' : this.#wanted ? 'waiting-to-restart' : 'stopped',
      pid: this.#identity?.pid ?? null,
      startTicks: this.#identity?.startTicks ?? null,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
      lastUnasked: this.#unaskedNow(),
      sinceMs: performance.now() - this.#sinceMs,
    };
  }

  #unaskedNow(): UnaskedEnd | null {
    if (this.#lastUnasked === null) return null;
    const { atMs, ...end } = this.#lastUnasked;
    return { ...end, agoMs: performance.now() - atMs };
  }

  #startIfAllowed(): void {
    if (this.#process !== null || this.#held || this.#timer !== null) return;
    const [command = '', ...args] = this.plan.argv;
    const log = openLog(this.plan.logPath);
    this.#logFromByte = log === null ? 0 : fstatSync(log).size;
    const child = spawn(command, args, {
      cwd: this.plan.cwd,
      env: this.#env,
      detached: true,
      stdio: ['ignore', log ?? 'ignore', log ?? 'ignore'],
    });
    if (log !== null) closeSync(log);
    this.#process = child;
    this.#identity = child.pid === undefined ? null : readStat(child.pid);
    this.#sinceMs = performance.now();
    this.#ended = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#exited(how);
        resolve();
      };
      child.once('exit', (code, signal) => {
        if (child.pid !== undefined) killGroup(child.pid);
        ended(signal ?? `exit ${code}`);
      });
      child.once('error', (error) => {
        if (child.pid === undefined) ended(`cannot start ${command}: ${messageOf(error)}`);
      });
    });
    this.#onChange();
  }

  #exited(how: string): void {
    const healthy = performance.now() - this.#sinceMs > HEALTHY_AFTER_MS;
    if (healthy) this.#backoffMs = FIRST_BACKOFF_MS;
    if (this.#wanted && !this.#held) this.#noteUnasked(how, healthy);
    this.#process = null;
    this.#identity = null;
    this.#lastExit = how;
    this.#sinceMs = performance.now();
    if (this.#wanted && !this.#held) {
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.#restarts++;
        this.#startIfAllowed();
      }, this.#backoffMs);
      this.#backoffMs = Math.min(LONGEST_BACKOFF_MS, this.#backoffMs * 2);
    }
    this.#onChange();
  }

  #noteUnasked(how: string, wasHealthy: boolean): void {
    const before = wasHealthy ? 0 : (this.#lastUnasked?.inARow ?? 0);
    this.#lastUnasked = {
      how,
      atWallMs: Date.now(),
      atMs: performance.now(),
      said: logTail(this.plan.logPath, this.#logFromByte),
      inARow: before + 1,
    };
  }

  #cancelRestart(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#identity === null || !isAlive(this.#identity)) return;
    if (signal === 'SIGKILL') killGroup(this.#identity.pid);
    else process.kill(this.#identity.pid, signal);
    // ESRCH cannot happen: an exited child stays a zombie until its exit was reported here.
  }
}

/** The process and what it started in its group: an application may have children of its own. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody left.
  }
}

/**
 * The process writes its log itself: a pipe through the supervisor would break every process when the supervisor dies.
 * Null when the disk is full: the process matters more than its log.
 */
function openLog(path: string): number | null {
  try {
    return openSync(path, 'a', 0o600);
  } catch {
    return null;
  }
}
