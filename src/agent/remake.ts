import type { Clock } from '../base/clock.ts';
import type { Reason } from '../base/reason.ts';
import { done, type Outcome, refused } from '../base/result.ts';
import type { SyncRecord } from '../ports/records.ts';
import type { Progress, RegionDatabase, Salvage, Upstream } from '../ports/database.ts';
import type { Log } from '../telemetry/log.ts';
import type { GroupStore } from './group-store.ts';
import { type Permit, unlessOvertaken } from './order-desk.ts';

const LOOK_EVERY_MS = 1_000;

/** What the data directory is now, PostgreSQL stopped: a copy of the primary, the old data turned back, or nothing, to be cloned into. */
export type Remade = 'copied' | 'rewound' | 'empty';

/** What a remake is told of the moment. */
export interface Circumstances {
  readonly permit: Permit;
  readonly progress: Progress;
  /** Why the data here may not go before a copy is whole, when this is the record; null when it may. */
  readonly whyKept: (record: SyncRecord) => Reason | null;
}

/**
 * Makes a standby anew that can't follow. The copy comes first: until it is whole, what is here may be all that is left when the
 * primary is lost (P3.2), and PostgreSQL stays up with it, to be read and promoted.
 */
export class Remake {
  readonly #database: RegionDatabase;
  readonly #group: GroupStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #start: () => Promise<Outcome<void>>;
  /** What this node held alone at any time, and where it was saved. */
  salvages: readonly Salvage[] = [];

  /** `start`: starts PostgreSQL as an isolated standby; whoever gave it knows then that nothing is proven of it. */
  constructor(
    database: RegionDatabase,
    group: GroupStore,
    clock: Clock,
    log: Log,
    start: () => Promise<Outcome<void>>,
  ) {
    this.#database = database;
    this.#group = group;
    this.#clock = clock;
    this.#log = log;
    this.#start = start;
    void database.salvages().then((found) => {
      this.salvages = found;
    });
  }

  /** It needs WAL that is gone, and would ask for it for ever. Nothing here is missing on the primary. */
  async behind(upstream: Upstream, about: Circumstances): Promise<Outcome<Remade>> {
    const copied = await this.#copyFirst(upstream, about);
    if (copied === null) {
      const emptied = await this.#database.discardBehind(upstream);
      return emptied.kind === 'done' ? done('empty') : emptied;
    }
    return copied.kind === 'done' ? this.#replace(upstream, 'behind', about.permit) : copied;
  }

  /** I7: the data goes only when the salvage holds all of it; otherwise it is kept aside, whole. */
  async diverged(upstream: Upstream, about: Circumstances): Promise<Outcome<Remade>> {
    const ahead = await this.#database.copyAhead(upstream, about.permit.signal);
    const saved = await this.#save(upstream);
    if (!about.permit.valid())
      return refused('overtaken', 'newer work was accepted after the salvage; nothing was removed');
    if (saved.kind !== 'done' || !saved.value.complete)
      return this.#stopAndSetAside(`diverged-before-epoch-${upstream.epoch}`);
    if (ahead.kind === 'refused' && ahead.code === 'rewinds') {
      const rewound = await this.#rewind(upstream, saved.value);
      if (rewound !== null) return rewound;
    }
    // The salvage or the try to rewind may have stopped it.
    const up = await this.#start();
    if (up.kind !== 'done') return up;
    const copied = await this.#copyFirst(upstream, about);
    if (copied === null) return this.#stopAndDiscard(saved.value);
    return copied.kind === 'done' ? this.#replace(upstream, saved.value, about.permit) : copied;
  }

  /** By timeline and position it looks like the primary's own branch, so nothing can tell what it alone holds: all of it is kept (I7). */
  async keepWhole(why: Reason, epoch: number, permit: Permit): Promise<Outcome<Remade>> {
    this.#log.warn(why.code, why.text);
    if (!permit.valid()) return refused('overtaken', 'newer work was accepted; nothing was moved');
    return this.#stopAndSetAside(`given-up-before-epoch-${epoch}`);
  }

  async setAside(label: string): Promise<Outcome<void>> {
    const kept = await this.#database.setAside(label);
    if (kept.kind !== 'done') return kept;
    this.#log.warn(
      'set-aside',
      `the data of this node is kept, whole, at ${kept.value.keptAt}; the node is made again`,
    );
    return done(undefined);
  }

  /** `done`: a copy is whole beside the data. null: there is no room for one, and the data may go. */
  async #copyFirst(upstream: Upstream, about: Circumstances): Promise<Outcome<void> | null> {
    const { permit, progress } = about;
    // What a takeover asks does not wait until a half-made copy is removed.
    const copying = unlessOvertaken(permit, this.#database.copyBeside(upstream, progress, permit.signal));
    const copied = await this.#keepUp(copying, permit);
    if (copied.kind !== 'refused' || copied.code !== 'no-room') return copied;
    const kept = await this.#whyKept(about);
    if (kept !== null)
      return refused(
        'no-room',
        `${copied.why}. The data stays as it is and gets nothing from ${upstream.node}: ${kept}. Free the space: it is tried again`,
      );
    if (!permit.valid()) return refused('overtaken', 'newer work was accepted; nothing was removed');
    this.#log.warn('no-room', `${copied.why}; others have what is here, so it is removed first`);
    return null;
  }

  /** A copy may take hours. PostgreSQL is needed meanwhile: one that was killed is started again. */
  async #keepUp<T>(copying: Promise<T>, permit: Permit): Promise<T> {
    const over = new AbortController();
    const watching = this.#startWhenKilled(permit, over.signal);
    try {
      return await copying;
    } finally {
      over.abort();
      // A start that has begun ends before anything else is done with the data.
      await watching;
    }
  }

  async #startWhenKilled(permit: Permit, over: AbortSignal): Promise<void> {
    for (;;) {
      await this.#clock.sleep(LOOK_EVERY_MS, over).catch(() => undefined);
      if (over.aborted || !permit.valid()) return;
      if ((await this.#database.status()).state !== 'stopped' || over.aborted || !permit.valid()) continue;
      const started = await this.#start();
      if (started.kind === 'done')
        this.#log.warn('start-isolated', 'PostgreSQL had ended while a copy is made beside its data');
      else this.#log.warn('start-isolated', `PostgreSQL ended while a copy is made beside its data: ${started.why}`);
    }
  }

  async #whyKept(about: Circumstances): Promise<string | null> {
    const now = await this.#group.readReign();
    const record = now.kind === 'done' ? now.value.sync?.value : undefined;
    return record === undefined
      ? 'whether this node is in the record can not be read now'
      : (about.whyKept(record)?.text ?? null);
  }

  async #replace(upstream: Upstream, grounds: Salvage | 'behind', permit: Permit): Promise<Outcome<Remade>> {
    if (!permit.valid()) return refused('overtaken', 'newer work was accepted; nothing was replaced');
    const replaced = await this.#database.replace(upstream, grounds);
    if (replaced.kind !== 'done') return replaced;
    this.#log.warn('remade', `a whole copy of ${upstream.node} is in the place of the data of this node`);
    return done('copied');
  }

  /** A copy that is long may need several tries: what is saved already is not saved again. */
  async #save(upstream: Upstream): Promise<Outcome<Salvage>> {
    const { epoch, node } = upstream;
    const operation = this.#group.view().epoch?.value.operation ?? `epoch-${epoch}`;
    const { timeline, endLsn } = await this.#database.status();
    const before = (await this.#database.salvages()).find(
      (it) => it.complete && it.operation === operation && it.timeline === timeline && it.endLsn === endLsn,
    );
    if (before !== undefined) return done(before);
    const saved = await this.#database.salvage(upstream, operation);
    if (saved.kind === 'done') {
      const { transactions, folder, why } = saved.value;
      this.#log.warn('salvaged', `${transactions} transactions that only this node held are in ${folder}; ${why}`);
      this.salvages = await this.#database.salvages();
    } else this.#log.warn('salvage', `what this node holds and ${node} does not could not be saved: ${saved.why}`);
    return saved;
  }

  /** null: it was refused with the data as it was. */
  async #rewind(upstream: Upstream, saved: Salvage): Promise<Outcome<Remade> | null> {
    // A rewind needs a clean end.
    const stopped = await this.#database.stop('fast');
    if (stopped.kind !== 'done') return stopped;
    const rewound = await this.#database.rewind(upstream, saved);
    if (rewound.kind === 'done') return done('rewound');
    this.#log.info('rewind', `cloned instead of rewound: ${rewound.why}`);
    // Nobody could read the data any more.
    return rewound.kind === 'refused' && rewound.code === 'half-rewound' ? this.#stopAndDiscard(saved) : null;
  }

  async #stopAndDiscard(saved: Salvage): Promise<Outcome<Remade>> {
    const stopped = await this.#database.stop('fast');
    if (stopped.kind !== 'done') return stopped;
    const emptied = await this.#database.discard(saved);
    return emptied.kind === 'done' ? done('empty') : emptied;
  }

  async #stopAndSetAside(label: string): Promise<Outcome<Remade>> {
    const stopped = await this.#database.stop('fast');
    if (stopped.kind !== 'done') return stopped;
    const kept = await this.setAside(label);
    return kept.kind === 'done' ? done('empty') : kept;
  }
}
