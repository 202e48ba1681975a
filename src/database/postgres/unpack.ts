import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { FarshoreError } from '../../base/errors.ts';
import type { RunAs } from './run-as.ts';

const NO_ROOM = /No space left|quota exceeded/i;

/**
 * Unpacks the tar stream of a base backup into `root` with the system's `tar`, as the user that PostgreSQL runs as: the files
 * are its own at once. A fresh cluster is more than a thousand small files; written one by one from here they take ten times
 * as long as all their bytes need on the way. `tar` itself leaves nothing outside of `root`.
 */
export class Unpacker {
  readonly #tar: ChildProcess;
  readonly #ended: Promise<number | null>;
  #said = '';

  constructor(root: string, runAs: RunAs | null) {
    const user = runAs === null ? {} : { uid: runAs.uid, gid: runAs.gid };
    const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' };
    const child = spawn('tar', ['-x', '-p', '-C', root, '-f', '-'], {
      ...user,
      env,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    this.#tar = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-2_000);
      // It would go on and skip what it can't write, and keep the disk full until all of it came.
      if (NO_ROOM.test(this.#said)) child.kill('SIGKILL');
    });
    // Why it takes nothing more is told by its end.
    child.stdin.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#said = error.message;
        resolve(null);
      });
      child.once('close', resolve);
    });
  }

  /** Resolves when more may come. Throws when `tar` has ended. */
  async write(chunk: Buffer): Promise<void> {
    const { stdin } = this.#tar;
    if (stdin === null || this.#tar.exitCode !== null || !stdin.writable) throw await this.#failure();
    if (stdin.write(chunk)) return;
    const stop = new AbortController();
    const { signal } = stop;
    await Promise.race([once(stdin, 'drain', { signal }).catch(() => undefined), this.#ended]);
    stop.abort();
  }

  /** Everything was given: waits until it is unpacked. Throws when the stream ended inside a file. */
  async end(): Promise<void> {
    this.#tar.stdin?.end();
    if ((await this.#ended) !== 0) throw await this.#failure();
  }

  /** For an interrupted copy: nothing is written any more when this resolves. */
  async abandon(): Promise<void> {
    this.#tar.kill('SIGKILL');
    await this.#ended;
  }

  async #failure(): Promise<FarshoreError> {
    const code = await this.#ended;
    const why = this.#said.trim().split('\n')[0] ?? '';
    const text = `the copy was not unpacked: ${why === '' ? `tar ended with ${code}` : why}`;
    return new FarshoreError(NO_ROOM.test(why) ? 'FSH_DISK_FULL' : 'FSH_FAILED', text);
  }
}
