import { spawn } from 'node:child_process';
import { openSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FarshoreError } from '../base/errors.ts';
import type { Deployment } from '../spec/deployment.ts';
import { portIsFree } from './free-ports.ts';
import type { WorldLayout } from './layout.ts';
import { takeLock } from './lock.ts';
import { logTail } from './log-tail.ts';
import { defaultStateDir, prepareWorld, type WorldOptions } from './prepare.ts';
import { worldId } from './state-dir.ts';
import { supervisorClient } from './supervisor/client.ts';

const STARTED_WITHIN_MS = 10_000;
const OTHERS_CHOOSE_WITHIN_MS = 30_000;

/**
 * Starts a world: prepares it and starts its supervisor, which goes on alone. Resolves when the supervisor answers; the
 * processes are then starting. Errors as `prepareWorld`, and FSH_STATE_BUSY when it runs already.
 */
export async function startWorld(deployment: Deployment, options: WorldOptions): Promise<WorldLayout> {
  const id = worldId(realPath(options.stateDir ?? defaultStateDir(options.specPath)));
  // Two worlds that start at once must not choose the same ports, nor one world start twice.
  const choosing = await takeLock('choosing', OTHERS_CHOOSE_WITHIN_MS);
  if (choosing === null)
    throw new FarshoreError(
      'FSH_STATE_BUSY',
      'another `farshore up` on this machine has been choosing ports for 30 s; end it if it hangs (`pgrep -af "farshore|main.js up"`)',
    );
  try {
    const running = await takeLock(`world-${id}`);
    if (running === null) throw new FarshoreError('FSH_STATE_BUSY', 'this world is running');
    running.release();
    const layout = await prepareWorld(deployment, options);
    await startSupervisor(layout);
    await listening(layout);
    return layout;
  } finally {
    choosing.release();
  }
}

/** The real path of a folder that may not exist yet. */
function realPath(path: string): string {
  const wanted = resolve(path);
  try {
    return realpathSync(wanted);
  } catch {
    const parent = dirname(wanted);
    return parent === wanted ? wanted : join(realPath(parent), wanted.slice(parent.length));
  }
}

/** The supervisor of a prepared world, in its own session: it outlives this process. Resolves when it answers, or has left the world to one that does. */
export async function startSupervisor(layout: WorldLayout): Promise<void> {
  const main = fileURLToPath(new URL('../../dist/world/supervisor/main.js', import.meta.url));
  const logPath = join(layout.stateDir, 'logs', 'supervisor.log');
  const log = openSync(logPath, 'a', 0o600);
  const child = spawn(process.execPath, ['--max-semi-space-size=1', main, layout.stateDir], {
    cwd: layout.stateDir,
    detached: true,
    stdio: ['ignore', log, log],
  });
  child.unref();
  const client = supervisorClient(layout);
  const endMs = performance.now() + STARTED_WITHIN_MS;
  for (;;) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    const list = await client.list();
    // Another one may answer: then ours must have refused first, or it takes the world when that one goes down.
    if (list.kind === 'done' && (hasEnded || list.value.pid === child.pid)) return;
    if (hasEnded || performance.now() > endMs)
      throw new FarshoreError('FSH_FAILED', `the supervisor did not start (${logPath}): ${logTail(logPath)}`);
    await sleep(20);
  }
}

/** The ports are ours once every process of our own listens or ended; a short while is enough to keep the choice unique. */
async function listening(layout: WorldLayout): Promise<void> {
  const endMs = performance.now() + STARTED_WITHIN_MS;
  while (performance.now() < endMs && (await portIsFree(layout.basePort + layout.portCount - 1))) await sleep(50);
}
