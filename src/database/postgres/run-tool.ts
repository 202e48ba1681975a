import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FarshoreError } from '../../base/errors.ts';
import type { RunAs } from './run-as.ts';

export interface Binaries {
  readonly binDir: string;
  readonly libDir: string | null;
}

/** Runs a program of PostgreSQL to its end as the unprivileged user. Never rejects for a failing program. */
export function runTool(
  binaries: Binaries,
  program: 'initdb' | 'postgres' | 'pg_rewind' | 'pg_controldata',
  args: readonly string[],
  runAs: RunAs | null,
  input: string | null = null,
): Promise<{ readonly ok: boolean; readonly output: string }> {
  const library = binaries.libDir === null ? {} : { LD_LIBRARY_PATH: binaries.libDir };
  const user = runAs === null ? {} : { uid: runAs.uid, gid: runAs.gid };
  const child = spawn(join(binaries.binDir, program), args, {
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', ...library },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...user,
  });
  // A program that ends before it read everything says so by its exit code.
  child.stdin.on('error', () => undefined).end(input ?? '');
  let output = '';
  const keep = (text: string): void => {
    output = (output + text).slice(-20_000);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ ok: false, output: error.message }));
    child.once('close', (code) => resolve({ ok: code === 0, output }));
  });
}

/** By the file: a version is asked for before every start, and the answer takes a good part of a start's time. */
const known = new Map<string, string>();

/** `18.4` from `postgres --version`. Throws FSH_POSTGRES_MISSING when it does not run or is older than 15. */
export async function versionOf(binaries: Binaries, runAs: RunAs | null): Promise<string> {
  const path = join(binaries.binDir, 'postgres');
  const file = await stat(path).catch(() => null);
  const key = [path, file?.ino, file?.mtimeMs, file?.size, runAs?.uid].join(' ');
  const version = known.get(key) ?? (await askVersion(binaries, runAs));
  known.set(key, version);
  return version;
}

async function askVersion(binaries: Binaries, runAs: RunAs | null): Promise<string> {
  const { ok, output } = await runTool(binaries, 'postgres', ['--version'], runAs);
  const version = /PostgreSQL\) (\d+(?:\.\d+)?)/.exec(output)?.[1];
  if (!ok || version === undefined)
    throw new FarshoreError(
      'FSH_POSTGRES_MISSING',
      `${join(binaries.binDir, 'postgres')} does not run: ${output.trim()}`,
    );
  if (majorOf(version) < 15)
    throw new FarshoreError(
      'FSH_POSTGRES_MISSING',
      `${binaries.binDir} is PostgreSQL ${version}; 15 or newer is needed`,
    );
  return version;
}

export const majorOf = (version: string): number => Number.parseInt(version, 10);
