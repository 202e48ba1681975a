import { type ChildProcess, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FarshoreError } from '../../base/errors.ts';
import { pause } from '../monotonic.ts';
import type { Stub } from './ways.ts';

/** Debian's unbound. */
export const UNBOUND = '/usr/sbin/unbound';
const ANSWERS_WITHIN_MS = 10_000;

/** Runs a program that ends with this one, however this one ends: its standard input closes then. The watcher ends with it too. */
const TIED =
  'exec 3<&0; "$@" & child=$!; { cat <&3 >/dev/null; kill -9 $child; } 2>/dev/null & wait $child; kill $! 2>/dev/null';

/** A caching resolver as users have one: it asks the world's DNS server for its zone and nobody for anything else. */
export interface RunningResolver {
  readonly port: number;
  stop(): void;
}

/**
 * @param heldSeconds it keeps every answer at least so long, whatever its time to live says; 0: as it says
 * @throws FarshoreError FSH_FAILED when it gives no answer
 */
export async function startResolver(
  dir: string,
  port: number,
  { zone, server }: Stub,
  heldSeconds: number,
): Promise<RunningResolver> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = join(dir, `unbound-${port}.conf`);
  writeFileSync(file, config(dir, port, zone, `${server.host}@${server.port}`, heldSeconds), { mode: 0o600 });
  const tied = ['-c', TIED, 'sh', UNBOUND, '-d', '-p', '-c', file];
  const child = spawn('/bin/sh', tied, { stdio: ['pipe', 'ignore', 'pipe'] });
  child.stdin.on('error', () => undefined);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => void (said = `${said}${chunk.toString()}`.slice(-1_000)));
  child.on('error', (error) => void (said += error.message));
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  for (let waitedMs = 0; waitedMs < ANSWERS_WITHIN_MS && isAlive(child); waitedMs += 50) {
    const known = await resolver.resolveSoa(zone).then(
      () => true,
      () => false,
    );
    if (known) return { port, stop: () => void child.stdin.end() };
    await pause(50);
  }
  child.stdin.end();
  throw new FarshoreError('FSH_FAILED', `the caching resolver gives no answer about ${zone}: ${said.trim()}`);
}

const isAlive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

const config = (dir: string, port: number, zone: string, server: string, heldSeconds: number): string => `server:
  interface: 127.0.0.1
  port: ${port}
  username: ""
  chroot: ""
  directory: "${dir}"
  use-syslog: no
  verbosity: 0
  num-threads: 1
  do-not-query-localhost: no
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
  cache-min-ttl: ${heldSeconds}
  cache-max-negative-ttl: 5
  local-zone: "${zone}" transparent
remote-control:
  control-enable: no
stub-zone:
  name: "${zone}"
  stub-addr: ${server}
  stub-no-cache: no
`;
