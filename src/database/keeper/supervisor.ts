import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type ClocksAhead, sleptMs } from '../../base/clocks-ahead.ts';
import { messageOf } from '../../base/errors.ts';
import { type Outcome, done, refused } from '../../base/result.ts';
import type { KeeperConfig, KeeperStatus } from '../../ports/keeper.ts';
import { clocksAhead } from '../../telemetry/clocks-ahead.ts';
import { childrenOf, isDeserted, killProcesses, signal } from './processes.ts';

/** How long SIGKILL may take. Only a process in uninterruptible I/O needs more than milliseconds. */
const KILL_TIMEOUT_MS = 30_000;
/** Node fires a timer for a longer delay at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A timer counts CLOCK_MONOTONIC, which stands still while the machine is suspended: this often it is asked how long that was. */
const LOOK_EVERY_MS = 200;

/** CLOCK_MONOTONIC in milliseconds: the same for every process of this machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** PostgreSQL's parent: starts it, kills it on order or past the deadline, and says when it ended. */
export class Supervisor {
  readonly #config: KeeperConfig;
  readonly #onUnaskedExit: () => void;
  #postgres: { readonly child: ChildProcess; readonly pid: number; readonly startedAtMs: number } | null = null;
  #lastExit: KeeperStatus['lastExit'] = null;
  #stopAsked = false;
  #epoch = 0;
  #deadlineMs: number | null = null;
  /** The machine's other clocks when the lease behind the deadline was asked for. */
  #ahead: ClocksAhead | null = null;
  #timer: NodeJS.Timeout | undefined;
  #busy: Promise<unknown> = Promise.resolve();
  /** Counts the stops that were asked for: a start that was asked for earlier must not come after one. */
  #stops = 0;

  constructor(config: KeeperConfig, onUnaskedExit: () => void) {
    this.#config = config;
    this.#onUnaskedExit = onUnaskedExit;
  }

  status(): KeeperStatus {
    const running = this.#postgres;
    return {
      pid: process.pid,
      postgres: running === null ? null : { pid: running.pid, startedAtMs: running.startedAtMs },
      lastExit: this.#lastExit,
      epoch: this.#epoch,
      deadlineMs: this.#deadlineMs,
    };
  }

  /** Starts PostgreSQL. `done` when the process exists, not when it accepts connections. */
  start(): Promise<Outcome<string>> {
    const stops = this.#stops;
    return this.#oneAtATime(async () => {
      if (this.#postgres !== null) return refused('already-running', `PostgreSQL runs as pid ${this.#postgres.pid}`);
      // Left over from a keeper that was killed: they must not share the data directory with a new postmaster.
      const left = await killProcesses(this.#config.dataDir, [], KILL_TIMEOUT_MS);
      if (!left.gone)
        return refused('not-gone', `processes of an earlier start are still there: ${left.pids.join(' ')}`);
      if (stops !== this.#stops) return refused('stopped-meanwhile', 'a stop was asked for after this start');
      this.#stopAsked = false;
      return this.#spawn();
    });
  }

  /** Ends PostgreSQL and proves it: `done` with the evidence only when no process of the data directory is left. */
  stop(how: 'fast' | 'kill', graceMs: number): Promise<Outcome<string>> {
    this.#stops += 1;
    if (how === 'kill') return this.#kill(true);
    return this.#oneAtATime(async () => {
      const running = this.#postgres;
      this.#stopAsked = true;
      if (running !== null) {
        const seen = [running.pid, ...childrenOf(running.pid)];
        signal(running.pid, 'SIGINT');
        const inTime = await exitWithin(running.child, graceMs);
        if (inTime && isDeserted(this.#config.dataDir)) return done(`fast stop; gone: ${seen.join(' ')}`);
      }
      return this.#kill(true);
    });
  }

  /** Past `deadlineMs` PostgreSQL is killed, whatever its agent does. null = never. */
  setDeadline(epoch: number, deadlineMs: number | null, ahead: ClocksAhead | null): Outcome<string> {
    if (epoch < this.#epoch) return refused('older-epoch', `this keeper serves epoch ${this.#epoch}, not ${epoch}`);
    this.#epoch = epoch;
    this.#deadlineMs = deadlineMs;
    this.#ahead = ahead;
    this.#arm();
    return done(deadlineMs === null ? 'no deadline' : `deadline ${deadlineMs}`);
  }

  async #kill(asked: boolean): Promise<Outcome<string>> {
    const running = this.#postgres;
    this.#stopAsked = asked;
    const report = await killProcesses(this.#config.dataDir, running === null ? [] : [running.pid], KILL_TIMEOUT_MS);
    if (!report.gone) return refused('not-gone', `still there after ${KILL_TIMEOUT_MS} ms: ${report.pids.join(' ')}`);
    // The exit event follows the death of the process; a `start` that comes next must not find the old child.
    if (running !== null) await exitWithin(running.child, KILL_TIMEOUT_MS);
    const took = report.tookMs.toFixed(0);
    return done(`SIGKILL to ${report.pids.length} processes, all gone after ${took} ms: ${report.pids.join(' ')}`);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#deadlineMs === null) return;
    const untilMs = Math.min(Math.max(this.#leftMs(this.#deadlineMs), 0), LONGEST_TIMER_MS);
    const inMs = this.#ahead === null ? untilMs : Math.min(untilMs, LOOK_EVERY_MS);
    this.#timer = setTimeout(() => this.#onTimer(), inMs);
  }

  /** By the strictest clock that nobody can set (P2.2): a kill is not taken back. */
  #leftMs(deadlineMs: number): number {
    return deadlineMs - monotonicMs() - (this.#ahead === null ? 0 : sleptMs(this.#ahead, clocksAhead()));
  }

  #onTimer(): void {
    if (this.#deadlineMs === null) return;
    if (this.#leftMs(this.#deadlineMs) > 0) return this.#arm();
    // Used up: what starts after this is an isolated standby (P8.1), and gets a deadline of its own when it is promoted.
    this.#deadlineMs = null;
    this.#stops += 1;
    void this.#kill(false);
  }

  #spawn(): Promise<Outcome<string>> {
    // A deadline was given to the PostgreSQL before this one; a new one is an isolated standby (P8.1), with none.
    this.#deadlineMs = null;
    clearTimeout(this.#timer);
    const log = openSync(this.#config.logPath, 'a', 0o640);
    const { command, args } = postgresCommand(this.#config);
    const child = spawn(command, args, { stdio: ['ignore', log, log], env: postgresEnv(this.#config), cwd: '/' });
    closeSync(log);
    // Known before anything else can run: a kill that comes next must find it, also while it is still `setpriv`.
    if (child.pid !== undefined) this.#postgres = { child, pid: child.pid, startedAtMs: monotonicMs() };
    child.once('exit', (code, by) => this.#onExit(child, code, by));
    return new Promise((resolve) => {
      child.once('error', (error) => resolve(refused('spawn-failed', `${command}: ${messageOf(error)}`)));
      child.once('spawn', () => resolve(done(`pid ${child.pid}`)));
    });
  }

  #onExit(child: ChildProcess, code: number | null, by: NodeJS.Signals | null): void {
    if (this.#postgres?.child !== child) return;
    this.#postgres = null;
    this.#lastExit = { code, signal: by, atMs: monotonicMs(), asked: this.#stopAsked };
    if (!this.#stopAsked) this.#onUnaskedExit();
  }

  #oneAtATime(work: () => Promise<Outcome<string>>): Promise<Outcome<string>> {
    const result = this.#busy.then(work, work);
    this.#busy = result.catch(() => undefined);
    return result;
  }
}

/**
 * Waits on a pipe and, when this keeper is gone, kills what is left of the data directory. The parent-death signal ends
 * the postmaster at once, but a backend that computes only notices the next time it waits, and could go on until then.
 * A shell with nothing but builtins in the loop: 1 MB of memory, and quick also when every core is busy.
 */
export function startReaper(dataDir: string): ChildProcess {
  return spawn('/bin/sh', ['-c', REAP, 'farshore-reaper', dataDir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // A Ctrl-C for the keeper's group must not end it before the keeper.
    detached: true,
    cwd: '/',
  });
}

/** Same rule as in processes.ts: a `postgres` that works in the directory. Two passes without one end it. */
const REAP = `
trap '' INT TERM HUP
read -r _
clean=0
while [ "$clean" -lt 2 ]; do
  clean=$((clean + 1))
  for p in /proc/[0-9]*; do
    [ "$p/cwd" -ef "$1" ] || continue
    read -r name <"$p/comm" || continue
    [ "$name" = postgres ] && kill -9 "\${p#/proc/}" && clean=0
  done 2>/dev/null
  sleep 0.01
done`;

/** `setpriv` sets the parent-death signal after it changed the user; the change would clear it. */
function postgresCommand(config: KeeperConfig): { command: string; args: string[] } {
  const user =
    config.runAs === null ? [] : [`--reuid=${config.runAs.uid}`, `--regid=${config.runAs.gid}`, '--clear-groups'];
  return {
    command: 'setpriv',
    args: ['--pdeathsig', 'KILL', ...user, '--', join(config.binDir, 'postgres'), '-D', config.dataDir],
  };
}

function postgresEnv(config: KeeperConfig): NodeJS.ProcessEnv {
  const library = config.libDir === null ? {} : { LD_LIBRARY_PATH: config.libDir };
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', ...library, ...config.env };
}

function exitWithin(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), timeoutMs);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
