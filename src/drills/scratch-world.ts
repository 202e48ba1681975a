import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FarshoreError } from '../base/errors.ts';
import { openWorld, type World } from '../world/open.ts';

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const READY_WITHIN_S = 120;

export interface ScratchOptions {
  readonly specPath: string;
  /** Links have the real round trips times this. */
  readonly rttScale: number;
  /** Added to the environment of every process of the world: what a self-test breaks. */
  readonly env: Readonly<Record<string, string>>;
  readonly progress: (text: string) => void;
}

/** A world of its own in a temporary folder, started and ended by the command line as a person would; nothing of it stays. */
export async function withScratchWorld<T>(
  options: ScratchOptions,
  work: (world: World, readyMs: number) => Promise<T>,
): Promise<T> {
  const stateDir = mkdtempSync(join(tmpdir(), 'farshore-scratch-'));
  // PostgreSQL's unprivileged user must be able to enter; only its own folder below is open to it.
  chmodSync(stateDir, 0o711);
  const { specPath, rttScale, env, progress } = options;
  try {
    const timing = ['--rtt-scale', String(rttScale), '--timeout', String(READY_WITHIN_S)];
    const startedMs = performance.now();
    await farshore(['up', specPath, '--detach', '--state', stateDir, ...timing], env);
    const readyMs = performance.now() - startedMs;
    progress(`a world of ${specPath} is ready after ${(readyMs / 1000).toFixed(1)} s`);
    const world = openWorld(stateDir);
    try {
      return await work(world, readyMs);
    } finally {
      await world.close();
    }
  } finally {
    await endScratch(stateDir, progress);
  }
}

async function endScratch(stateDir: string, progress: (text: string) => void): Promise<void> {
  const dataRoot = readDataRoot(stateDir);
  if (dataRoot === null) return rmSync(stateDir, { recursive: true, force: true });
  const { code, said } = await farshore(['down', '--state', stateDir], {}, [0, 1]);
  // What still runs must stay findable.
  if (code !== 0) return progress(`${stateDir} is kept: ${said}`);
  for (const folder of [stateDir, dirname(dataRoot)]) rmSync(folder, { recursive: true, force: true });
}

/** Null when the world was never made. */
function readDataRoot(stateDir: string): string | null {
  try {
    return openWorld(stateDir).layout.dataRoot;
  } catch {
    return null;
  }
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  /** The last lines of stderr. */
  readonly said: string;
}

/** Runs `farshore` as a person would. Throws FSH_FAILED with its last words when it ends with a code that is not expected. */
export function farshore(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  expected: readonly number[] = [0],
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      const said = Buffer.concat(err).toString('utf8').trim().split('\n').slice(-5).join('\n');
      const ended = { code, stdout: Buffer.concat(out).toString('utf8'), said };
      if (code !== null && expected.includes(code)) return resolve(ended);
      reject(new FarshoreError('FSH_FAILED', `farshore ${args.join(' ')} ended ${code}:\n${said}`));
    });
  });
}
