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
export async function withScratchWorld<T>(options: ScratchOptions, work: (world: World) => Promise<T>): Promise<T> {
  const stateDir = mkdtempSync(join(tmpdir(), 'farshore-scratch-'));
  // PostgreSQL's unprivileged user must be able to enter; only its own folder below is open to it.
  chmodSync(stateDir, 0o711);
  const { specPath, rttScale, env, progress } = options;
  try {
    const timing = ['--rtt-scale', String(rttScale), '--timeout', String(READY_WITHIN_S)];
    await cli(['up', specPath, '--detach', '--state', stateDir, ...timing], env, progress);
    const world = openWorld(stateDir);
    try {
      return await work(world);
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
  await cli(['down', '--state', stateDir], {}, () => undefined).catch((error: unknown) => {
    progress(`${stateDir} is kept: ${String(error)}`);
    throw error;
  });
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

/** Runs `farshore`. Throws FSH_FAILED with its last words unless it ends with 0. */
function cli(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  progress: (text: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
    child.once('error', reject);
    child.once('close', (code) => {
      const words = said.trim().split('\n').slice(-5).join('\n');
      if (code !== 0)
        return reject(new FarshoreError('FSH_FAILED', `farshore ${args.join(' ')} ended ${code}:\n${words}`));
      const ready = /ready in .*/.exec(said)?.[0];
      if (ready !== undefined) progress(ready);
      resolve();
    });
  });
}
