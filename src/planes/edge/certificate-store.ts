import { stat } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import type { EdgeTls } from '../../ports/config.ts';
import { type CertificateSet, loadCertificates, type ServedCertificate } from './certificates.ts';

/** What `GET /.farshore/edge` says about certificates. */
export interface TlsStatus {
  readonly certificates: readonly (Omit<ServedCertificate, 'notAfterMs'> & {
    readonly notAfter: string;
    /** Below zero: it has ended, and clients refuse it. */
    readonly daysLeft: number;
  })[];
  readonly loadedAgoMs: number;
  readonly reloads: number;
  /** New files that were not taken over; the ones before are served. `now`: what is wrong with the files at this moment. */
  readonly refused: { readonly count: number; readonly now: string | null };
}

const DAY_MS = 86_400_000;

/**
 * The certificates that an edge serves, and what keeps them fresh: their files are looked at every `everyMs`, since a tool that
 * renews them may replace a file, a link or a folder, and only looking finds all three. Connections that are open keep theirs.
 */
export class CertificateStore {
  readonly #tls: EdgeTls;
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #tell: (text: string) => void;
  readonly #stopping = new AbortController();
  readonly #onSet: ((set: CertificateSet) => void)[] = [];
  #set: CertificateSet;
  #loadedAtMs: number;
  #seen: string;
  #reloads = 0;
  #refusals = 0;
  #trouble: string | null = null;

  /** @throws FarshoreError FSH_TLS_INVALID */
  static async open(
    tls: EdgeTls,
    clock: Clock,
    everyMs: number,
    tell: (text: string) => void,
  ): Promise<CertificateStore> {
    // In this order: a file that changes in between is read again.
    const seen = await signatureOf(tls);
    const store = new CertificateStore(tls, clock, everyMs, tell, seen, await loadCertificates(tls, clock.wallMs()));
    void store.#run();
    return store;
  }

  private constructor(
    tls: EdgeTls,
    clock: Clock,
    everyMs: number,
    tell: (text: string) => void,
    seen: string,
    set: CertificateSet,
  ) {
    this.#tls = tls;
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#tell = tell;
    this.#seen = seen;
    this.#set = set;
    this.#loadedAtMs = clock.nowMs();
  }

  get current(): CertificateSet {
    return this.#set;
  }

  onSet(listener: (set: CertificateSet) => void): void {
    this.#onSet.push(listener);
  }

  /** Reads the files now, changed or not. Never rejects: files with a fault change nothing, and the status says so. */
  async reload(): Promise<void> {
    this.#seen = await signatureOf(this.#tls);
    try {
      this.#set = await loadCertificates(this.#tls, this.#clock.wallMs());
      this.#loadedAtMs = this.#clock.nowMs();
      this.#reloads += 1;
      this.#trouble = null;
      for (const listener of this.#onSet) listener(this.#set);
      this.#tell('the certificates were read again; new connections get them');
    } catch (error) {
      this.#refusals += 1;
      this.#trouble = error instanceof Error ? error.message : String(error);
      this.#tell(`new certificates were refused, the ones before are served: ${this.#trouble}`);
    }
  }

  status(): TlsStatus {
    const wallMs = this.#clock.wallMs();
    return {
      certificates: this.#set.served.map(({ path, names, notAfterMs }) => ({
        path,
        names,
        notAfter: new Date(notAfterMs).toISOString(),
        daysLeft: Math.floor((notAfterMs - wallMs) / DAY_MS),
      })),
      loadedAgoMs: Math.round(this.#clock.nowMs() - this.#loadedAtMs),
      reloads: this.#reloads,
      refused: { count: this.#refusals, now: this.#trouble },
    };
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(this.#everyMs, signal);
      } catch {
        return;
      }
      if ((await signatureOf(this.#tls)) !== this.#seen) await this.reload();
    }
  }
}

/** Changes when any of the files is written, replaced or gone. */
async function signatureOf(tls: EdgeTls): Promise<string> {
  const paths = tls.certificates.flatMap(({ cert, key }) => [cert, key]);
  const parts = paths.map(async (path) => {
    try {
      const { ino, size, mtimeMs } = await stat(path);
      return `${ino}/${size}/${mtimeMs}`;
    } catch {
      return 'gone';
    }
  });
  return (await Promise.all(parts)).join(' ');
}
