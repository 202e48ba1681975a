import { get } from 'node:http';
import type { Clock } from '../../base/clock.ts';

export interface Pace {
  readonly everyMs: number;
  /** Of one check, with the round trips to the region. */
  readonly timeoutMs: number;
}

export interface CheckOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Asked before each check: the route table may bring another pace. */
  pace(): Pace;
  /** Delays the first check, so that not all regions are asked at the same moment. */
  readonly offsetMs: number;
  readonly clock: Clock;
  onResult(ok: boolean, code: string): void;
  /** How long a connection took to open: one round trip. */
  onRoundTrip?(ms: number): void;
}

/** Asks one region for its health path at a steady pace. Returns a function that stops it. */
export function startChecks(options: CheckOptions): () => void {
  const stopping = new AbortController();
  void (async () => {
    await pause(options.clock, options.offsetMs, stopping.signal);
    while (!stopping.signal.aborted) {
      const startedMs = options.clock.nowMs();
      const { everyMs, timeoutMs } = options.pace();
      const code = await checkOnce(options, timeoutMs, stopping.signal);
      if (stopping.signal.aborted) return;
      options.onResult(code === 'ok', code);
      await pause(options.clock, everyMs - (options.clock.nowMs() - startedMs), stopping.signal);
    }
  })();
  return () => stopping.abort();
}

/**
 * One check on a connection of its own: a process that can't accept connections any more is not healthy, whatever it still
 * answers on old ones. Any 2xx is healthy.
 */
function checkOnce(options: CheckOptions, timeoutMs: number, stopping: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping]);
    const { host, port, path } = options;
    const begunMs = options.clock.nowMs();
    const request = get({ host, port, path, agent: false, signal }, (response) => {
      const status = response.statusCode ?? 0;
      response.resume();
      response.on('end', () => resolve(status >= 200 && status < 300 ? 'ok' : `status-${status}`));
      response.on('error', () => resolve(signal.aborted ? 'timeout' : 'reset'));
    });
    request.once('socket', (socket) =>
      socket.once('connect', () => options.onRoundTrip?.(options.clock.nowMs() - begunMs)),
    );
    request.on('error', (error) => resolve(signal.aborted ? 'timeout' : codeOf(error)));
  });
}

const codeOf = (error: Error): string => ('syscall' in error && error.syscall === 'connect' ? 'connect' : 'reset');

async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(Math.max(0, delayMs), signal);
  } catch {
    // Stopped; the loop looks at the signal.
  }
}
