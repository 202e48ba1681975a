import { readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/**
 * This process gets a processor before others that wait for one: for processes that do little at a time, and make others
 * late when they are. `priority`: -20 to 19, the lowest first. Only root, or one with CAP_SYS_NICE, may ask for it; false for everyone else, and nothing changed.
 *
 * Where the kernel groups tasks by session (sched(7), autogroup), a priority counts inside the session only, and the
 * session has one of its own. It is raised only by the process that leads the session: others would gain with it.
 */
export function goFirst(priority: number): boolean {
  try {
    setPriority(priority);
    if (leadsItsSession()) writeFileSync('/proc/self/autogroup', String(priority));
    return true;
  } catch {
    // Not allowed, or no such kernel.
    return false;
  }
}

function leadsItsSession(): boolean {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const [, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(session) === process.pid;
}
