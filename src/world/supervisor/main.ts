import { copyFileSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { Secrets } from '../../ports/config.ts';
import type { WorldLayout } from '../layout.ts';
import { recoverFaults } from '../faults/recover.ts';
import { takeLock } from '../lock.ts';
import { openWorld } from '../open.ts';
import { serveSupervisor } from './control.ts';
import { Supervisor } from './supervisor.ts';

const LOG_BYTES = 4 * 1024 * 1024;
const LOG_CHECK_MS = 10_000;
const FAULTS_CHECK_MS = 500;

/** The supervisor process: `node dist/world/supervisor/main.js STATE_DIR`, with `world.json` and the config files made before. */
async function main(stateDir: string | undefined): Promise<void> {
  if (stateDir === undefined) throw new Error('usage: supervisor STATE_DIR');
  const layout = JSON.parse(readFileSync(join(stateDir, 'world.json'), 'utf8')) as WorldLayout;
  const secrets = JSON.parse(readFileSync(layout.secretsPath, 'utf8')) as Secrets;
  if ((await takeLock(`world-${layout.id}`)) === null) throw new Error('this world is running already');
  const supervisor = new Supervisor(layout, secrets, (status) => saveTable(stateDir, status.processes));
  rmSync(layout.supervisorSocketPath, { force: true });
  const end = (): void => {
    rmSync(layout.supervisorSocketPath, { force: true });
    process.exit(0);
  };
  await serveSupervisor(supervisor, layout.supervisorSocketPath, end);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => void supervisor.stop().then(end));
  setInterval(() => rotateLogs(layout), LOG_CHECK_MS);
  supervisor.start();
  watchFaults(stateDir);
}

/** For people and for `down` after a crash: who ran last, with start times so that a number is never mistaken. */
function saveTable(stateDir: string, processes: readonly object[]): void {
  const path = join(stateDir, 'processes.json');
  try {
    writeFileSync(`${path}.new`, JSON.stringify({ supervisorPid: process.pid, processes }, null, 1));
    renameSync(`${path}.new`, path);
  } catch (error) {
    // A full disk must not end a world that serves.
    process.stderr.write(`${path}: ${messageOf(error)}\n`);
  }
}

/**
 * Undoes what killed or hung runners left behind (I13), also before this start: only this process outlives them all, and SIGSTOP
 * has no expiry of its own.
 */
function watchFaults(stateDir: string): void {
  const world = openWorld(stateDir);
  const look = async (): Promise<void> => {
    try {
      for (const { id, what, left, isNews } of await recoverFaults(world)) {
        const said = left.length === 0 ? 'undone, its holder is gone' : `cannot undo ${id} yet (${left.join('; ')})`;
        if (isNews) process.stderr.write(`${said}: ${what}\n`);
      }
    } catch (error) {
      process.stderr.write(`faults: ${messageOf(error)}\n`);
    }
    setTimeout(() => void look(), FAULTS_CHECK_MS);
  };
  void look();
}

/** The processes hold their logs open for appending, so a log is copied aside and cut to nothing in place. */
function rotateLogs(layout: WorldLayout): void {
  for (const { logPath } of layout.processes) {
    try {
      if (statSync(logPath).size < LOG_BYTES) continue;
      copyFileSync(logPath, `${logPath}.1`);
      truncateSync(logPath);
    } catch {
      // Not there yet, or the disk is full: the world goes on.
    }
  }
}

main(process.argv[2]).catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(1);
});
