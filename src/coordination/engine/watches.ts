import type { Change, Entry, Write } from './engine.ts';
import { entryAfter, inRange } from './engine.ts';
import type { Range } from './key-space.ts';

export type EngineEvent =
  | { readonly kind: 'put'; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: number };

/** All events of one revision. */
interface Moment {
  readonly revision: number;
  readonly events: readonly EngineEvent[];
  readonly bytes: number;
}

export interface WatchSink {
  events(events: readonly EngineEvent[], revision: number): void;
  /** The revisions asked for are no longer kept; everything up to `compactRevision` is gone. */
  compacted(compactRevision: number): void;
}

interface Watcher {
  readonly range: Range;
  readonly fromRevision: number;
  readonly sink: WatchSink;
}

/**
 * The last revisions and who wants to hear of them. Only durable changes are published here, so no watcher ever
 * sees something that a crash takes back. The history is bounded; what falls out of it is compacted.
 */
export class Watches {
  readonly #watchers = new Set<Watcher>();
  #history: Moment[] = [];
  #historyBytes = 0;
  #revision: number;
  #compactRevision: number;
  readonly #bounds: { readonly revisions: number; readonly bytes: number };

  /** `revision`: where the history begins; earlier revisions count as compacted. */
  constructor(revision: number, bounds = { revisions: 10_000, bytes: 16 * 1024 * 1024 }) {
    this.#revision = revision;
    this.#compactRevision = revision > 1 ? revision : 0;
    this.#bounds = bounds;
  }

  /** Everything up to this revision was published. */
  get revision(): number {
    return this.#revision;
  }

  get compactRevision(): number {
    return this.#compactRevision;
  }

  /** Starts a watch; past events from `fromRevision` on are delivered at once. 0 = from the next revision on. */
  open(range: Range, fromRevision: number, sink: WatchSink): () => void {
    const from = fromRevision === 0 ? this.#revision + 1 : fromRevision;
    if (from <= this.#compactRevision) {
      sink.compacted(this.#compactRevision);
      return () => {};
    }
    const watcher = { range, fromRevision: from, sink };
    this.#watchers.add(watcher);
    for (const moment of this.#history) if (this.#watchers.has(watcher)) tell(watcher, moment);
    return () => this.#watchers.delete(watcher);
  }

  /** Hands a durable change to those who watch, in order of revision. */
  publish(change: Change): void {
    if (change.kind === 'grant' || change.writes.length === 0) return;
    const events = change.writes.map((write) => eventOf(write, change.revision));
    const bytes = change.writes.reduce((sum, write) => sum + sizeOf(write), 0);
    const moment = { revision: change.revision, events, bytes };
    this.#revision = change.revision;
    this.#history.push(moment);
    this.#historyBytes += bytes;
    if (this.#history.length > this.#bounds.revisions * 1.25 || this.#historyBytes > this.#bounds.bytes) this.#trim();
    for (const watcher of this.#watchers) tell(watcher, moment);
  }

  /** Forgets the history up to `revision`. Open watches have had it already. */
  compact(revision: number): void {
    this.#history = this.#history.filter((moment) => moment.revision > revision);
    this.#historyBytes = this.#history.reduce((sum, moment) => sum + moment.bytes, 0);
    this.#compactRevision = Math.max(this.#compactRevision, revision);
  }

  /** Drops the oldest down to three quarters of the bounds, so that trimming is rare. */
  #trim(): void {
    let drop = Math.max(0, this.#history.length - this.#bounds.revisions);
    let bytes = this.#historyBytes;
    for (let at = 0; at < this.#history.length && (at < drop || bytes > this.#bounds.bytes * 0.75); at++) {
      bytes -= this.#history[at]?.bytes ?? 0;
      drop = at + 1;
    }
    const last = this.#history[drop - 1];
    if (last !== undefined) this.compact(last.revision);
  }
}

function eventOf(write: Write, revision: number): EngineEvent {
  const entry = entryAfter(write, revision);
  return entry === undefined ? { kind: 'delete', key: write.key, modRevision: revision } : { kind: 'put', entry };
}

/** About what a write costs in memory. */
const sizeOf = (write: Write): number => write.key.length + ('value' in write ? write.value.length : 0) + 64;

function tell(watcher: Watcher, moment: Moment): void {
  if (moment.revision < watcher.fromRevision) return;
  const events = moment.events.filter((event) =>
    inRange(event.kind === 'put' ? event.entry.key : event.key, watcher.range),
  );
  if (events.length > 0) watcher.sink.events(events, moment.revision);
}
