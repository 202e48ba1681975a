import { spawn } from 'node:child_process';
import type { ProcessStat } from '../../world/proc.ts';

/**
 * Stops processes and lets them go on after `pauseMs`, from a small process of its own that outlives its parent: a drill that is
 * killed in between leaves nothing stopped (I13). Resolves when they go on. Returns how many were really seen stopped.
 */
export function pauseProcesses(
  targets: readonly ProcessStat[],
  pauseMs: number,
  isStopped: () => number,
): Promise<number> {
  const pids = targets.map((target) => target.pid).join(' ');
  // The shell continues them whatever becomes of `sleep`; a signal to the drill's group does not reach it.
  const script = `trap '' INT TERM HUP; kill -STOP ${pids}; sleep ${pauseMs / 1000}; kill -CONT ${pids}`;
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore' });
    let stopped = 0;
    const look = setTimeout(() => {
      stopped = isStopped();
    }, pauseMs / 2);
    child.once('error', (error) => {
      clearTimeout(look);
      reject(error);
    });
    child.once('close', () => {
      clearTimeout(look);
      resolve(stopped);
    });
  });
}
