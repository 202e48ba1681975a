import type { NodeId } from '../../src/base/ids.ts';
import { type Outcome, done, refused, unknown } from '../../src/base/result.ts';
import {
  type DatabaseStatus,
  type Heartbeat,
  type Position,
  type Progress,
  type Promoting,
  type RegionDatabase,
  type Salvage,
  type Settings,
  type Stop,
  type SyncList,
  type Upstream,
  NOTHING,
} from '../../src/ports/database.ts';
import type { Process } from '../clock.ts';
import type { PgHost } from './host.ts';
import { beat } from './heartbeat.ts';
import { lookAt, positionOf } from './look.ts';
import type { PgServer } from './server.ts';
import { type CrashPoint, Statements } from './statements.ts';
import { compareHere, putCopy, receiveCopy } from './copy.ts';
import { setList, settleList } from './sync-list.ts';
import { commonCount, type DataDir, emptyDir, lsnOf } from './wal.ts';

const STATUS_TIMEOUT_MS = 500;

/** RegionDatabase on the model, in the steps of database/postgres: each may be answered late or never, the caller may die between two. */
export class SimDatabase implements RegionDatabase {
  readonly #host: PgHost;
  readonly #caller: Process;
  readonly #crashPoint: CrashPoint;
  readonly #to: Statements;
  /** Beside the data; gone with the process that made it. */
  #copy: { readonly node: NodeId; readonly epoch: number; readonly dir: DataDir } | null = null;
  #beating: Promise<Outcome<Heartbeat>> | null = null;

  constructor(host: PgHost, caller: Process, crashPoint: CrashPoint = () => undefined) {
    this.#host = host;
    this.#caller = caller;
    this.#crashPoint = crashPoint;
    this.#to = new Statements(host, caller, crashPoint);
  }

  async status(): Promise<DatabaseStatus> {
    const host = this.#host;
    const atMs = this.#caller.nowMs();
    if (host.dir.systemId === null) return { ...NOTHING, state: 'empty', atMs };
    const server = host.running;
    if (server === null) return { ...NOTHING, state: 'stopped', atMs };
    if (server.state === 'starting' || host.dir.fresh) return { ...NOTHING, state: 'starting', atMs };
    if (!server.process.frozen) return lookAt(server, atMs, this.#caller.wallMs());
    try {
      return await this.#to.query('status', (now) => lookAt(now, atMs, this.#caller.wallMs()), STATUS_TIMEOUT_MS);
    } catch {
      return { ...NOTHING, state: host.running === null ? 'stopped' : 'starting', atMs };
    }
  }

  // ---- making and starting

  init(progress: Progress): Promise<Outcome<{ readonly systemId: string }>> {
    return this.#to.guarded(async () => {
      this.#crashPoint('init: before');
      const { dir } = this.#host;
      if (dir.systemId !== null && !dir.fresh)
        return refused('FSH_STATE_FOREIGN', 'the data directory holds a cluster');
      if (dir.systemId === null) {
        progress('initdb');
        await this.#caller.sleep(400);
        dir.systemId = String(7_000_000_000_000_000 + this.#host.rng.whole(0, 1e9));
        dir.fresh = true;
        dir.wal = [{ timeline: 1, what: { kind: 'mark', text: 'initdb' } }];
        this.#crashPoint('init: after');
      }
      return done({ systemId: dir.systemId });
    });
  }

  startIsolated(): Promise<Outcome<void>> {
    return this.#to.guarded(async () => {
      const { dir } = this.#host;
      if (dir.fresh) return refused('fresh', 'this cluster was made and never opened');
      if (dir.systemId === null) return refused('empty', 'no cluster here');
      if (this.#host.running !== null) {
        if (!(await this.#untilUp())) return unknown('PostgreSQL did not answer');
        if (this.#host.running?.state === 'primary') return refused('runs-as-primary', 'stop it first');
        const cut = await this.#detach();
        return cut.kind === 'done' ? done(undefined) : cut;
      }
      this.#crashPoint('start isolated: before');
      dir.standbySignal = true;
      this.#resetInherited();
      this.#crashPoint('start isolated: files written');
      return this.#start();
    });
  }

  /** P8.4: what belongs to one reign is gone before it runs. */
  #resetInherited(): void {
    this.#host.dir.syncList = { epoch: 0, w: 0, names: [] };
    this.#host.dir.upstream = null;
  }

  async #start(): Promise<Outcome<void>> {
    if (this.#host.start() === null) return refused('already-running', 'a process of this data directory lives');
    this.#crashPoint('start: after');
    return (await this.#untilUp()) ? done(undefined) : refused('FSH_FAILED', 'PostgreSQL ended instead of starting');
  }

  async #untilUp(): Promise<boolean> {
    const deadlineMs = this.#caller.nowMs() + 60_000;
    const up = await this.#to.poll(deadlineMs, async () => {
      const server = this.#host.running;
      if (server === null) return false;
      return server.up && !server.process.frozen ? true : null;
    });
    return up === true;
  }

  startFirst(epoch: number, list: SyncList): Promise<Outcome<{ readonly systemId: string }>> {
    return this.#to.guarded(async () => {
      const { dir } = this.#host;
      if (!dir.fresh || dir.systemId === null) return refused('not-fresh', 'this cluster was opened before');
      if (this.#host.running === null) {
        dir.standbySignal = false;
        this.#resetInherited();
        const started = await this.#start();
        if (started.kind !== 'done') return started;
      } else if (!(await this.#untilUp())) return unknown('PostgreSQL did not answer');
      await this.#to.query('store the first epoch', (server) => {
        if (server.storedEpoch === null) server.append({ kind: 'epoch', n: epoch, by: this.#host.node });
      });
      const set = await setList(this.#to, list);
      if (set.kind !== 'done') return set;
      dir.fresh = false;
      this.#crashPoint('start first: after');
      return done({ systemId: dir.systemId });
    });
  }

  stop(how: 'fast' | 'kill'): Promise<Outcome<Stop>> {
    return this.#to.guarded(async () => {
      this.#crashPoint('stop: before');
      const end = how === 'fast' ? await this.#stopFast() : null;
      await this.#caller.sleep(this.#host.rng.between(2, 60));
      this.#host.kill();
      this.#crashPoint('stop: after');
      return done({ evidence: 'every process of the data directory is gone', end });
    });
  }

  /** A fast stop ends the sessions, writes the shutdown checkpoint and waits until standbys that answer have it. */
  async #stopFast(): Promise<Stop['end']> {
    const server = this.#host.running;
    if (server === null || !server.up) return null;
    for (const end of server.sessions) end();
    server.sessions.clear();
    server.stopping = true;
    server.process.after(6_000, () => server.process.kill());
    if (server.state === 'primary') server.append({ kind: 'mark', text: 'shutdown checkpoint' });
    const flushed = await this.#to.poll(this.#caller.nowMs() + 5_000, async () =>
      [...server.walSenders].every((sender) => sender.flushed >= server.end) ? true : null,
    );
    const isClean = server.state === 'primary' && flushed === true && this.#host.running === server;
    return isClean ? { timeline: server.timeline, lsn: lsnOf(server.end - 1) } : null;
  }

  /** The model keeps nothing in memory that a crash would lose. */
  checkpoint = async (): Promise<Outcome<void>> => done(undefined);

  clone(from: Upstream, progress: Progress, signal: AbortSignal): Promise<Outcome<void>> {
    return this.#to.guarded(async () => {
      if (this.#host.dir.systemId !== null) return refused('FSH_STATE_FOREIGN', 'the data directory is not empty');
      const copied = await receiveCopy(this.#host, this.#caller, from, progress, signal);
      if (copied.kind !== 'done') return copied;
      this.#host.dir = copied.value;
      this.#crashPoint('clone: after');
      return done(undefined);
    });
  }

  copyBeside(from: Upstream, progress: Progress, signal: AbortSignal): Promise<Outcome<void>> {
    return this.#to.guarded(async () => {
      const copied = await receiveCopy(this.#host, this.#caller, from, progress, signal);
      if (copied.kind !== 'done') return copied;
      this.#copy = { node: from.node, epoch: from.epoch, dir: copied.value };
      return done(undefined);
    });
  }

  replace(from: Upstream, grounds: Salvage | 'behind'): Promise<Outcome<void>> {
    return this.#to.guarded(async () => {
      const copy = this.#copy;
      if (copy?.node !== from.node || copy.epoch !== from.epoch) return refused('no-copy', 'no copy of this reign');
      this.#copy = null;
      return putCopy(this.#host, this.#caller, this.#crashPoint, copy.dir, grounds);
    });
  }

  async settings(): Promise<Outcome<Settings>> {
    return done({});
  }

  killAt: RegionDatabase['killAt'] = async (_epoch, deadlineMs) => this.#host.killAt(deadlineMs);

  keepSalvageSlot: RegionDatabase['keepSalvageSlot'] = async () => done(undefined);

  salvage(upstream: Upstream, operation: string): Promise<Outcome<Salvage>> {
    return this.#to.guarded(async () => {
      const server = this.#host.running;
      const there = this.#host.hosts.get(upstream.node)?.running ?? null;
      if (server?.state !== 'standby' || there === null) return refused('not-a-standby', 'nothing to compare');
      this.#crashPoint('salvage: before');
      await this.#caller.sleep(this.#host.rng.between(50, 400));
      const same = commonCount(server.dir.wal, there.dir.wal);
      this.#host.asides.push({ label: operation, wal: [...server.dir.wal] });
      this.#crashPoint('salvage: after');
      return done({
        operation,
        node: this.#host.node,
        atWallMs: this.#caller.wallMs(),
        tookMs: 0,
        folder: operation,
        how: 'decoded',
        complete: true,
        why: '',
        timeline: server.timeline,
        forkLsn: lsnOf(same),
        endLsn: lsnOf(server.end),
        transactions: server.end - same,
        changes: { insert: server.end - same, update: 0, delete: 0, truncate: 0, image: 0 },
        tables: {},
        ownChanges: 0,
      });
    });
  }

  async salvages(): Promise<readonly Salvage[]> {
    return [];
  }

  rewind = (): Promise<Outcome<void>> =>
    Promise.resolve(refused('no-pg-rewind', 'the model has none: the node is cloned'));
  copyAhead = (): Promise<Outcome<void>> => Promise.resolve(refused('no-room', 'the model copies when all is saved'));
  discardBehind = (): Promise<Outcome<void>> =>
    this.#to.guarded(() => putCopy(this.#host, this.#caller, this.#crashPoint, emptyDir(), 'behind'));

  discard(salvage: Salvage): Promise<Outcome<void>> {
    return this.#to.guarded(async () => {
      this.#crashPoint('discard: before');
      if (this.#host.running !== null) return refused('runs', 'stop PostgreSQL first');
      const kept = this.#host.asides.some((aside) => aside.label === salvage.operation);
      if (!kept) return refused('not-saved', 'nothing of this was saved');
      this.#host.dir = emptyDir();
      this.#crashPoint('discard: after');
      return done(undefined);
    });
  }

  setAside(label: string): Promise<Outcome<{ readonly keptAt: string }>> {
    return this.#to.guarded(async () => {
      this.#crashPoint('set aside: before');
      if (this.#host.running !== null) return refused('runs', 'stop PostgreSQL before its data is moved');
      if (this.#host.dir.systemId === null) return refused('empty', 'nothing to keep');
      this.#host.asides.push({ label, wal: this.#host.dir.wal });
      this.#host.dir = emptyDir();
      this.#crashPoint('set aside: after');
      return done({ keptAt: `aside-${label}` });
    });
  }

  // ---- following

  follow(upstream: Upstream): Promise<Outcome<void>> {
    return this.#to.guarded(async () => {
      if (!(await this.#inRecovery())) return refused('is-primary', 'a primary can only follow after it was stopped');
      return this.#setUpstream({ node: upstream.node, epoch: upstream.epoch }, this.#caller.nowMs() + 5_000);
    });
  }

  detach(): Promise<Outcome<Position>> {
    return this.#to.guarded(() => this.#detach());
  }

  async #detach(): Promise<Outcome<Position>> {
    if (!(await this.#inRecovery())) return refused('is-primary', 'a primary has nothing to be detached from');
    const deadlineMs = this.#caller.nowMs() + 5_000;
    const set = await this.#setUpstream(null, deadlineMs);
    if (set.kind !== 'done') return set;
    const gone = await this.#to.poll(deadlineMs, () =>
      this.#to.query('is the receiver gone', (server) =>
        server.receiver === null && server.startupUpstream === null ? true : null,
      ),
    );
    if (gone === null) return unknown('a WAL receiver was still there');
    return done(await this.#to.query('read the position', positionOf));
  }

  #inRecovery(): Promise<boolean> {
    return this.#to.query('in recovery?', (server) => server.state === 'standby');
  }

  async #setUpstream(upstream: PgServer['startupUpstream'], deadlineMs: number): Promise<Outcome<void>> {
    await this.#to.query('alter system: upstream', (server) => {
      server.dir.upstream = upstream;
    });
    await this.#to.query('reload', (server) => server.reload());
    const shown = await this.#to.poll(deadlineMs, () =>
      this.#to.query('show upstream', ({ shown: now }) =>
        now.upstream?.node === upstream?.node && now.upstream?.epoch === upstream?.epoch ? true : null,
      ),
    );
    return shown === null ? unknown('primary_conninfo was not in force in time') : done(undefined);
  }

  compareWith(upstream: Upstream): ReturnType<RegionDatabase['compareWith']> {
    return this.#to.guarded(async () => {
      const status = await this.status();
      if (status.state !== 'standby') return refused('not-a-standby', `the local PostgreSQL is ${status.state}`);
      if (!status.localWalReplayed) return refused('replaying', 'the end of the local WAL is not known yet');
      const here = await this.#to.query('identify', positionOf);
      const { links, place, hosts } = this.#host;
      const there = hosts.get(upstream.node);
      if (there === undefined) return refused('FSH_FAILED', 'no such upstream');
      await this.#caller.sleep(4 * (links.delayMs(place, there.place) + links.delayMs(there.place, place)));
      const cut = links.isCut(place, there.place, 'replication') || links.isCut(there.place, place, 'replication');
      if (cut) await this.#caller.sleep(4_000);
      const server = there.running;
      if (cut || server === null || !server.up || server.process.frozen) return unknown('the upstream did not answer');
      return done(compareHere(here, server, this.#host));
    });
  }

  promote(epoch: number, how: Promoting = {}): Promise<Outcome<Position>> {
    return this.#to.guarded(async () => {
      const before = await this.#to.query('promote: look', (server) => ({
        recovery: server.state === 'standby',
        stored: server.storedEpoch,
        storedTimeline: server.storedTimeline,
        timeline: server.timeline,
      }));
      const { stored, recovery, timeline, storedTimeline } = before;
      if (stored !== null && stored > epoch) return refused('older-epoch', `the database holds epoch ${stored}`);
      if (!recovery) {
        if (stored === epoch) return done(await this.#to.query('read the position', positionOf));
        if (timeline <= storedTimeline) return refused('is-primary', `a primary of epoch ${stored}`);
        return this.#storeEpoch(epoch);
      }
      if (stored === epoch) return refused('epoch-used', `epoch ${epoch} is stored already`);
      await this.#to.query('pg_promote', (server) => server.endRecovery());
      await this.#caller.sleep(this.#host.rng.between(5, 120));
      how.onPromoted?.();
      return this.#storeEpoch(epoch);
    });
  }

  async #storeEpoch(epoch: number): Promise<Outcome<Position>> {
    return done(
      await this.#to.query('store the epoch', (server) => {
        server.append({ kind: 'epoch', n: epoch, by: this.#host.node });
        return positionOf(server);
      }),
    );
  }

  // ---- who confirms

  setSyncList(list: SyncList): Promise<Outcome<void>> {
    return this.#to.guarded(() => setList(this.#to, list));
  }

  settleSyncList(
    list: SyncList,
    prove: readonly ('in-force' | 'flushed')[],
    timeoutMs: number,
  ): Promise<Outcome<void>> {
    return this.#to.guarded(() => settleList(this.#to, list, prove, timeoutMs));
  }

  // ---- heartbeat

  async heartbeat(timeoutMs: number): Promise<Outcome<Heartbeat>> {
    this.#beating ??= beat(this.#to, this.#caller).finally(() => {
      this.#beating = null;
    });
    const beating = this.#beating;
    return new Promise((resolve) => {
      const giveUp = this.#caller.after(timeoutMs, () => resolve(unknown(`not confirmed within ${timeoutMs} ms`)));
      void beating.then((ended) => {
        giveUp.cancel();
        resolve(ended);
      });
    });
  }

  async close(): Promise<void> {}
}
