import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { commandLineOf } from './proc.ts';

/** Who listens on a TCP port of this machine, as far as this user may see: `4711 nginx: master`; null when unknown. */
export function portOwner(port: number): string | null {
  const inode = listeningInode(port);
  if (inode === null) return null;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || !holds(Number(name), inode)) continue;
    return `${name} ${commandLineOf(Number(name)).slice(0, 80)}`.trim();
  }
  return null;
}

const LISTEN = '0A';

function listeningInode(port: number): string | null {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of linesOf(table)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === LISTEN && fields[1]?.endsWith(`:${hex}`)) return fields[9] ?? null;
    }
  }
  return null;
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(1);
  } catch {
    return [];
  }
}

function holds(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
