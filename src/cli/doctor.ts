import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { locateBinaries } from '../database/postgres/locate-binaries.ts';
import { chooseRunAs, reachableFor } from '../database/postgres/run-as.ts';
import { FAULT_KINDS } from '../world/faults/kinds.ts';
import { portIsFree } from '../world/free-ports.ts';
import { locateStrace } from '../world/locate-program.ts';
import { portOwner } from '../world/port-owner.ts';
import { runDirOf } from '../world/state-dir.ts';
import { readArguments } from './arguments.ts';
import { paint } from './paint.ts';

const USAGE = `Usage: farshore doctor [--state DIR] [--postgres-bin DIR] [--json]

Checks whether this machine can run a world, and says what no machine can promise. Changes nothing. 1 when a check fails.
`;

/** `fail`: a world will not start. `warn`: it will, and something is worse than it should be. */
interface Check {
  readonly name: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly said: string;
}
const ok = (name: string, said: string): Check => ({ name, result: 'ok', said });
const warn = (name: string, said: string): Check => ({ name, result: 'warn', said });
const fail = (name: string, said: string): Check => ({ name, result: 'fail', said });

/** What stays void whatever runs (protocol P7.5): said, not checked. */
const VOID: readonly string[] = [
  'a session that lowers synchronous_commit by SET is acknowledged before another region has its writes',
  'rows of UNLOGGED tables exist on the primary only and are empty after a failover',
  'mode async: a virtual machine that is paused with its clocks may acknowledge writes after another primary began; they are saved, no bound holds for them',
  'all regions of one machine share its disk and its power: what a drill shows here is about processes and links',
];

/** `farshore doctor`: `argv` is what follows the verb. Resolves to the exit code. */
export async function doctor(argv: readonly string[]): Promise<number> {
  const options = { state: { type: 'string' }, 'postgres-bin': { type: 'string' }, json: { type: 'boolean' } } as const;
  const { values } = readArguments(argv, options, 0);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const stateDir = resolve(values.state ?? '.farshore');
  const checks = [
    checkNode(),
    checkUser(),
    await checkPostgres(values['postgres-bin']),
    checkSockets(),
    await checkPorts(),
    checkDisk(stateDir),
    checkMemory(),
    checkReach(stateDir),
    checkFsync(stateDir),
    checkFaults(),
  ];
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify({ schema: 'farshore.doctor/v1', checks, void: VOID }, null, 2)}\n`);
  } else {
    for (const line of render(checks)) process.stdout.write(`${line}\n`);
  }
  return checks.some((it) => it.result === 'fail') ? 1 : 0;
}

function render(checks: readonly Check[]): readonly string[] {
  const { green, yellow, red, dim } = paint(process.stdout);
  const colour = { ok: green, warn: yellow, fail: red };
  const lines = checks.map((it) => `${colour[it.result](it.result.padEnd(4))}  ${it.name.padEnd(12)} ${it.said}`);
  return [...lines, '', 'what stays void whatever runs:', ...VOID.map((text) => dim(`  ${text}`))];
}

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const said = `${process.versions.node}`;
  if (major < 20 || (major === 20 && minor < 19)) return fail('node', `${said}; 20.19 or newer is needed`);
  return major < 22 ? ok('node', `${said}; 22 or 24 is recommended`) : ok('node', said);
}

function checkUser(): Check {
  if (process.platform !== 'linux')
    return fail('user', `${process.platform}: only Linux is supported, /proc is needed`);
  const runAs = chooseRunAs();
  if (runAs === null) return ok('user', `uid ${process.getuid?.()}; PostgreSQL runs as the same user`);
  return ok('user', `root; PostgreSQL runs as uid ${runAs.uid}`);
}

async function checkPostgres(postgresBin: string | undefined): Promise<Check> {
  const runAs = chooseRunAs();
  try {
    const cacheDir = runAs === null ? join(tmpdir(), 'farshore-doctor') : '/var/lib/farshore';
    const found = await locateBinaries({ ...(postgresBin === undefined ? {} : { postgresBin }), runAs, cacheDir });
    const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
    const said = `${found.version} in ${found.binDir}`;
    // It sets the parent-death signal: a killed keeper takes PostgreSQL with it (P10.1).
    return setpriv === undefined
      ? fail('postgres', `${said}; setpriv is missing: install util-linux`)
      : ok('postgres', said);
  } catch (error) {
    return fail('postgres', messageOf(error));
  }
}

function checkSockets(): Check {
  const longest = `${runDirOf('0123456789')}/pg99/.s.PGSQL.65535.lock`;
  const bytes = Buffer.byteLength(longest);
  if (bytes >= 108) return fail('sockets', `socket paths have ${bytes} bytes; the kernel takes 107`);
  try {
    rmSync(mkdtempSync('/tmp/farshore-doctor-'), { recursive: true });
    return ok('sockets', `in ${dirname(longest)}, at most ${bytes} of 107 bytes`);
  } catch (error) {
    return fail('sockets', `/tmp is not writable: ${messageOf(error)}`);
  }
}

async function checkPorts(): Promise<Check> {
  for (let port = 7_800; port < 7_900; port++) {
    if (await portIsFree(port)) continue;
    const owner = portOwner(port);
    return warn(
      'ports',
      `${port} is in use${owner === null ? '' : ` by ${owner}`}; a new world takes the next free block`,
    );
  }
  return ok('ports', '7800-7899 are free');
}

/** What a drill or a person can break here. */
function checkFaults(): Check {
  try {
    locateStrace(process.env['PATH']);
  } catch {
    return warn(
      'faults',
      `strace is missing, so slow-disk and disk-full are refused: apt-get install strace; all others work`,
    );
  }
  return ok('faults', [...new Set(FAULT_KINDS.map((it) => it.kind))].join(', '));
}

/** The folder, or the nearest one above it that exists. */
function existing(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : existing(dirname(path));
}

function checkDisk(stateDir: string): Check {
  const at = existing(stateDir);
  const { bavail, bsize } = statfsSync(at);
  const mib = Math.floor((bavail * bsize) / 1_048_576);
  return mib < 600
    ? fail('disk', `${mib} MiB free at ${at}; a world needs 600`)
    : ok('disk', `${mib} MiB free at ${at}`);
}

function checkMemory(): Check {
  const available = /MemAvailable:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  const mib = Math.floor(available === undefined ? freemem() / 1_048_576 : Number(available) / 1_024);
  return mib < 800
    ? warn('memory', `${mib} MiB available; a world needs about 600`)
    : ok('memory', `${mib} MiB available`);
}

function checkReach(stateDir: string): Check {
  const runAs = chooseRunAs();
  const at = existing(stateDir);
  if (reachableFor(at, runAs)) return ok('reach', `PostgreSQL's user can reach ${at}`);
  return ok('reach', `uid ${runAs?.uid} cannot reach ${at}: PostgreSQL's data will be in /var/lib/farshore`);
}

const FSYNCS = 20;
const SLOW_FSYNC_MS = 20;

/** The median of some small synced writes: every commit waits for one on each side. */
function checkFsync(stateDir: string): Check {
  const at = existing(stateDir);
  let folder: string | null = null;
  try {
    folder = mkdtempSync(join(at, '.fsync-'));
    const file = openSync(join(folder, 'probe'), 'w');
    const took: number[] = [];
    for (let i = 0; i < FSYNCS; i++) {
      const startMs = performance.now();
      writeSync(file, Buffer.alloc(8_192));
      fsyncSync(file);
      took.push(performance.now() - startMs);
    }
    closeSync(file);
    const median = took.toSorted((a, b) => a - b)[FSYNCS / 2] ?? 0;
    const said = `8 KiB written and synced in ${median.toFixed(2)} ms (median of ${FSYNCS})`;
    return median > SLOW_FSYNC_MS ? warn('fsync', `${said}: every commit waits for it`) : ok('fsync', said);
  } catch (error) {
    return warn('fsync', `not measured in ${at}: ${messageOf(error)}`);
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
}
