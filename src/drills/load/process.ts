import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FarshoreError } from '../../base/errors.ts';
import { type LedgerRow, parseLine } from '../ledger.ts';
import { pause } from '../monotonic.ts';
import type { LoadConfig } from './config.ts';

const MAIN = fileURLToPath(new URL('../../../dist/drills/load/main.js', import.meta.url));
const STARTED_WITHIN_MS = 10_000;
const CHUNK_BYTES = 256 * 1024;

/** The load of a drill, running. It ends by itself when this process is gone: its standard input closes. */
export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #ledgerPath: string;
  readonly #exit: Promise<number | null>;
  #fd: number | null = null;
  #tail = '';
  #said = '';

  constructor(config: LoadConfig, configPath: string) {
    writeFileSync(configPath, JSON.stringify(config, null, 1), { mode: 0o600 });
    this.#ledgerPath = config.ledgerPath;
    // A session of its own: the kernel shares processor time among sessions first, and this one asks to go first.
    this.#child = spawn(process.execPath, [MAIN, configPath], { stdio: ['pipe', 'ignore', 'pipe'], detached: true });
    this.#child.stderr?.on('data', (chunk: Buffer) => void (this.#said += chunk.toString('utf8')));
    this.#child.stdin?.on('error', () => undefined);
    this.#exit = new Promise((resolve) => {
      this.#child.once('exit', (code) => resolve(code));
      this.#child.once('error', (error) => {
        this.#said += error.message;
        resolve(null);
      });
    });
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }
  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when the ledger exists. Throws FSH_FAILED with what the process said when it ended before. */
  async started(): Promise<void> {
    for (let waitedMs = 0; waitedMs < STARTED_WITHIN_MS; waitedMs += 20) {
      try {
        this.#fd = openSync(this.#ledgerPath, 'r');
        return;
      } catch {
        if (!this.running) break;
        await pause(20);
      }
    }
    throw new FarshoreError('FSH_FAILED', `the load process did not start: ${this.#said.trim()}`);
  }

  /** The attempts that were written since the last call. */
  newRows(): readonly LedgerRow[] {
    const lines = `${this.#tail}${this.#readOn()}`.split('\n');
    this.#tail = lines.pop() ?? '';
    return lines.map(parseLine).filter((line): line is LedgerRow => line?.kind === 'attempt');
  }

  /** Stops the schedule, lets the answers in flight come, waits for the end. */
  async stop(withinMs: number): Promise<void> {
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), withinMs);
    await this.#exit;
    clearTimeout(late);
  }

  #readOn(): string {
    if (this.#fd === null) return '';
    const chunk = Buffer.alloc(CHUNK_BYTES);
    const parts: string[] = [];
    for (;;) {
      const bytes = readSync(this.#fd, chunk, 0, chunk.length, null);
      if (bytes === 0) return parts.join('');
      parts.push(chunk.toString('utf8', 0, bytes));
    }
  }
}
