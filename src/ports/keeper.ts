import type { ClocksAhead } from '../base/clocks-ahead.ts';

/**
 * The keeper's control socket: a Unix socket, one JSON object a line, every request answered by its `id`.
 * Times are CLOCK_MONOTONIC milliseconds, which all processes of one machine share.
 */
export type KeeperRequest =
  | { readonly id: number; readonly do: 'status' }
  /** Spawns postgres. Answers when the process exists, not when it accepts connections. Refused when one runs. */
  | { readonly id: number; readonly do: 'start' }
  /** `fast` = SIGINT and SIGKILL after `graceMs`; `kill` = SIGKILL to every descendant. Answers when all are gone, with evidence. */
  | { readonly id: number; readonly do: 'stop'; readonly how: 'fast' | 'kill'; readonly graceMs: number }
  /**
   * Past `deadlineMs` the keeper kills PostgreSQL by itself (async, P2.3). null = never. A lower epoch is refused. `ahead`: the machine's other
   * clocks when the lease was asked for; time that it was suspended since counts (P2.2).
   */
  | {
      readonly id: number;
      readonly do: 'deadline';
      readonly epoch: number;
      readonly deadlineMs: number | null;
      readonly ahead?: ClocksAhead;
    };

export interface KeeperStatus {
  readonly pid: number;
  readonly postgres: { readonly pid: number; readonly startedAtMs: number } | null;
  readonly lastExit: {
    readonly code: number | null;
    readonly signal: string | null;
    readonly atMs: number;
    readonly asked: boolean;
  } | null;
  readonly epoch: number;
  readonly deadlineMs: number | null;
}

export type KeeperReply =
  | { readonly id: number; readonly ok: true; readonly status: KeeperStatus; readonly evidence?: string }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly why: string };

/** Sent to every connected client when PostgreSQL ends, without being asked. */
export interface KeeperEvent {
  readonly event: 'postgres-exit';
  readonly status: KeeperStatus;
}

/** The file the keeper is started with: `node dist/database/keeper/main.js FILE`. */
export interface KeeperConfig {
  readonly socketPath: string;
  readonly dataDir: string;
  /** Folder that holds `postgres`. */
  readonly binDir: string;
  readonly libDir: string | null;
  readonly logPath: string;
  /** The unprivileged user PostgreSQL runs as when Farshore is root; null = the present user. */
  readonly runAs: { readonly uid: number; readonly gid: number } | null;
  readonly env: Readonly<Record<string, string>>;
}
