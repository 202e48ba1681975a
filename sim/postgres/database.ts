import { type Outcome, done, refused, unknown } from '../../src/base/result.ts';
import { judge } from '../../src/database/postgres/compare.ts';
import type {
  DatabaseStatus,
  Heartbeat,
  Position,
  Progress,
  RegionDatabase,
  StandbySeen,
  SyncList,
  Upstream,
} from '../../src/ports/database.ts';
import type { Process } from '../clock.ts';
import type { PgHost } from './host.ts';
import type { PgServer } from './server.ts';
import { emptyDir, lsnOf, timelineOf } from './wal.ts';

const QUERY_TIMEOUT_MS = 5_000;
const STATUS_TIMEOUT_MS = 500;
const POLL_MS = 10;
const NOTHING = {
  systemId: null,
  timeline: null,
  storedEpoch: null,
  endLsn: null,
  replayLsn: null,
  upstream: null,
  receiving: false,
  localWalReplayed: false,
  syncList: null,
  standbys: [],
  heartbeatAgeMs: null,
  heartbeatSeq: null,
} as const satisfies Omit<DatabaseStatus, 'state' | 'atMs'>;

class NoAnswer extends Error {}

/** Where a process may be killed in the middle of what it does: before and after every statement and call. */
export type CrashPoint = (where: string) => void;

/**
 * RegionDatabase on the model, in the steps that database/postgres takes. Each step is a statement that the server may
 * answer late or never; the caller may die between any two.
 */
export class SimDatabase implements RegionDatabase {
  readonly #host: PgHost;
  readonly #caller: Process;
  readonly #crashPoint: CrashPoint;
  #beating: Promise<Outcome<Heartbeat>> | null = null;

  constructor(host: PgHost, caller: Process, crashPoint: CrashPoint = () => undefined) {
    this.#host = host;
    this.#caller = caller;
    this.#crashPoint = crashPoint;
  }

  /** One statement: rejects with NoAnswer when the server does not answer in time or is not there. */
  #query<T>(what: string, ask: (server: PgServer) => T, timeoutMs = QUERY_TIMEOUT_MS): Promise<T> {
    this.#crashPoint(`${what}: before`);
    return new Promise((resolve, reject) => {
      const server = this.#host.running;
      const caller = this.#caller;
      if (server === null || server.state === 'starting') {
        caller.after(0.1, () => reject(new NoAnswer('connection refused')));
        return;
      }
      const giveUp = caller.after(timeoutMs, () => reject(new NoAnswer(`no answer within ${timeoutMs} ms`)));
      const ended = server.process.onDeath(() =>
        caller.deliver(() => {
          giveUp();
          reject(new NoAnswer('the connection was lost'));
        }),
      );
      caller.scheduler.after(this.#host.rng.between(0.05, 0.4), () =>
        server.process.deliver(() => {
          const answer = ask(server);
          this.#crashPoint(`${what}: after`);
          ended();
          caller.deliver(() => {
            giveUp();
            resolve(answer);
          });
        }),
      );
    });
  }

  async #guarded<T>(work: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    try {
      return await work();
    } catch (error) {
      return unknown(error instanceof Error ? error.message : String(error));
    }
  }

  async #poll<T>(deadlineMs: number, look: () => Promise<T | null>): Promise<T | null> {
    for (;;) {
      const seen = await look();
      if (seen !== null) return seen;
      if (this.#caller.nowMs() >= deadlineMs) return null;
      await this.#caller.sleep(POLL_MS);
    }
  }

  // ---- looking

  async status(): Promise<DatabaseStatus> {
    const host = this.#host;
    const atMs = this.#caller.nowMs();
    if (host.dir.systemId === null) return { ...NOTHING, state: 'empty', atMs };
    const server = host.running;
    if (server === null) return { ...NOTHING, state: 'stopped', atMs };
    if (server.state === 'starting' || host.dir.fresh) return { ...NOTHING, state: 'starting', atMs };
    if (!server.process.frozen) return this.#look(server, atMs);
    try {
      return await this.#query('status', (now) => this.#look(now, atMs), STATUS_TIMEOUT_MS);
    } catch {
      return { ...NOTHING, state: host.running === null ? 'stopped' : 'starting', atMs };
    }
  }

  #look(server: PgServer, atMs: number): DatabaseStatus {
    const standby = server.state === 'standby';
    const { beat } = server;
    return {
      state: standby ? 'standby' : 'primary',
      systemId: server.dir.systemId,
      timeline: server.timeline,
      storedEpoch: server.storedEpoch,
      endLsn: lsnOf(server.end),
      replayLsn: standby ? lsnOf(server.replayed) : null,
      upstream: standby ? server.shown.upstream : null,
      receiving: server.receiver?.streaming ?? false,
      localWalReplayed: standby && ((server.receiver?.streaming ?? false) || server.replayed === server.end),
      syncList: standby ? null : listAsShown(server),
      standbys: standby ? [] : standbysOf(server),
      heartbeatAgeMs: beat === null ? null : Math.max(0, this.#caller.wallMs() - beat.wallMs),
      heartbeatSeq: beat?.seq ?? null,
      atMs,
    };
  }

  // ---- making and starting

  init(progress: Progress): Promise<Outcome<{ readonly systemId: string }>> {
    return this.#guarded(async () => {
      this.#crashPoint('init: before');
      const { dir } = this.#host;
      if (dir.systemId !== null && !dir.fresh) return refused('FSH_STATE_FOREIGN', 'the data directory holds a cluster');
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
    return this.#guarded(async () => {
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
    const up = await this.#poll(deadlineMs, async () => {
      const server = this.#host.running;
      if (server === null) return false;
      return server.up && !server.process.frozen ? true : null;
    });
    return up === true;
  }

  startFirst(epoch: number, list: SyncList): Promise<Outcome<{ readonly systemId: string }>> {
    return this.#guarded(async () => {
      const { dir } = this.#host;
      if (!dir.fresh || dir.systemId === null) return refused('not-fresh', 'this cluster was opened before');
      if (this.#host.running === null) {
        dir.standbySignal = false;
        this.#resetInherited();
        const started = await this.#start();
        if (started.kind !== 'done') return started;
      } else if (!(await this.#untilUp())) return unknown('PostgreSQL did not answer');
      await this.#query('store the first epoch', (server) => {
        if (server.storedEpoch === null) server.append({ kind: 'epoch', n: epoch });
      });
      const set = await this.#setList(list);
      if (set.kind !== 'done') return set;
      dir.fresh = false;
      this.#crashPoint('start first: after');
      return done({ systemId: dir.systemId });
    });
  }

  stop(how: 'fast' | 'kill'): Promise<Outcome<{ readonly evidence: string }>> {
    return this.#guarded(async () => {
      this.#crashPoint('stop: before');
      if (how === 'fast' && this.#host.running !== null) await this.#stopFast();
      await this.#caller.sleep(this.#host.rng.between(2, 60));
      this.#host.kill();
      this.#crashPoint('stop: after');
      return done({ evidence: 'every process of the data directory is gone' });
    });
  }

  /** A fast stop ends the sessions, writes the shutdown checkpoint and waits until standbys that answer have it. */
  async #stopFast(): Promise<void> {
    const server = this.#host.running;
    if (server === null || !server.up) return;
    for (const end of server.sessions) end();
    server.sessions.clear();
    if (server.state === 'primary') server.append({ kind: 'mark', text: 'shutdown checkpoint' });
    await this.#poll(this.#caller.nowMs() + 5_000, async () =>
      [...server.walSenders].every((sender) => sender.flushed >= server.end) ? true : null,
    );
  }

  clone(from: Upstream, progress: Progress, signal: AbortSignal): Promise<Outcome<void>> {
    return this.#guarded(async () => {
      const { dir, links, place } = this.#host;
      if (dir.systemId !== null) return refused('FSH_STATE_FOREIGN', 'the data directory is not empty');
      const upstream = this.#host.hosts.get(from.node);
      if (upstream === undefined) return refused('FSH_FAILED', 'no such upstream');
      progress('copying');
      const leftMs = this.#host.rng.between(300, 1_200);
      const server = upstream.running;
      for (let waitedMs = 0; waitedMs < leftMs; waitedMs += 100) {
        if (signal.aborted) return refused('aborted', 'the copy was aborted');
        const cut = links.isCut(place, upstream.place, 'replication') || links.isCut(upstream.place, place, 'replication');
        if (server === null || upstream.running !== server || !server.up || cut || server.process.frozen)
          return refused('FSH_FAILED', 'the connection to the upstream ended during the copy');
        await this.#caller.sleep(100);
      }
      if (signal.aborted || server === null) return refused('aborted', 'the copy was aborted');
      this.#host.dir = {
        ...emptyDir(),
        systemId: server.dir.systemId,
        wal: [...server.dir.wal],
        history: server.dir.history,
        standbySignal: true,
      };
      this.#crashPoint('clone: after');
      return done(undefined);
    });
  }

  setAside(label: string): Promise<Outcome<{ readonly keptAt: string }>> {
    return this.#guarded(async () => {
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
    return this.#guarded(async () => {
      if (!(await this.#inRecovery())) return refused('is-primary', 'a primary can only follow after it was stopped');
      return this.#setUpstream({ node: upstream.node, epoch: upstream.epoch }, this.#caller.nowMs() + 5_000);
    });
  }

  detach(): Promise<Outcome<Position>> {
    return this.#guarded(() => this.#detach());
  }

  async #detach(): Promise<Outcome<Position>> {
    if (!(await this.#inRecovery())) return refused('is-primary', 'a primary has nothing to be detached from');
    const deadlineMs = this.#caller.nowMs() + 5_000;
    const set = await this.#setUpstream(null, deadlineMs);
    if (set.kind !== 'done') return set;
    const gone = await this.#poll(deadlineMs, () =>
      this.#query('is the receiver gone', (server) =>
        server.receiver === null && server.startupUpstream === null ? true : null,
      ),
    );
    if (gone === null) return unknown('a WAL receiver was still there');
    return done(await this.#query('read the position', positionOf));
  }

  #inRecovery(): Promise<boolean> {
    return this.#query('in recovery?', (server) => server.state === 'standby');
  }

  async #setUpstream(upstream: PgServer['startupUpstream'], deadlineMs: number): Promise<Outcome<void>> {
    await this.#query('alter system: upstream', (server) => {
      server.dir.upstream = upstream;
    });
    await this.#query('reload', (server) => server.reload());
    const shown = await this.#poll(deadlineMs, () =>
      this.#query('show upstream', ({ shown: now }) =>
        now.upstream?.node === upstream?.node && now.upstream?.epoch === upstream?.epoch ? true : null,
      ),
    );
    return shown === null ? unknown('primary_conninfo was not in force in time') : done(undefined);
  }

  compareWith(upstream: Upstream): ReturnType<RegionDatabase['compareWith']> {
    return this.#guarded(async () => {
      const status = await this.status();
      if (status.state !== 'standby') return refused('not-a-standby', `the local PostgreSQL is ${status.state}`);
      if (!status.localWalReplayed) return refused('replaying', 'the end of the local WAL is not known yet');
      const here = await this.#query('identify', positionOf);
      const { links, place, hosts } = this.#host;
      const there = hosts.get(upstream.node);
      if (there === undefined) return refused('FSH_FAILED', 'no such upstream');
      await this.#caller.sleep(4 * (links.delayMs(place, there.place) + links.delayMs(there.place, place)));
      const cut = links.isCut(place, there.place, 'replication') || links.isCut(there.place, place, 'replication');
      if (cut) await this.#caller.sleep(4_000);
      const server = there.running;
      if (cut || server === null || !server.up || server.process.frozen)
        return unknown('the upstream did not answer');
      return done(judge(here, positionOf(server), server.dir.history.map(({ timeline, count }) => ({ timeline, lsn: lsnOf(count) }))));
    });
  }

  promote(epoch: number): Promise<Outcome<Position>> {
    return this.#guarded(async () => {
      const before = await this.#query('promote: look', (server) => ({
        recovery: server.state === 'standby',
        stored: server.storedEpoch,
        storedTimeline: server.storedTimeline,
        timeline: server.timeline,
      }));
      const { stored } = before;
      if (stored !== null && stored > epoch) return refused('older-epoch', `the database holds epoch ${stored}`);
      if (!before.recovery) {
        if (stored === epoch) return done(await this.#query('read the position', positionOf));
        if (before.timeline <= before.storedTimeline) return refused('is-primary', `a primary of epoch ${stored}`);
        return this.#storeEpoch(epoch);
      }
      if (stored === epoch) return refused('epoch-used', `epoch ${epoch} is stored already`);
      await this.#query('pg_promote', (server) => server.endRecovery());
      await this.#caller.sleep(this.#host.rng.between(5, 120));
      return this.#storeEpoch(epoch);
    });
  }

  async #storeEpoch(epoch: number): Promise<Outcome<Position>> {
    return done(
      await this.#query('store the epoch', (server) => {
        server.append({ kind: 'epoch', n: epoch });
        return positionOf(server);
      }),
    );
  }

  // ---- who confirms

  setSyncList(list: SyncList): Promise<Outcome<void>> {
    return this.#guarded(() => this.#setList(list));
  }

  async #setList(list: SyncList): Promise<Outcome<void>> {
    await this.#query('alter system: list', (server) => {
      server.dir.syncList = list.w === 0 ? { epoch: list.epoch, w: 0, names: [] } : list;
    });
    await this.#query('reload', (server) => server.reload());
    return done(undefined);
  }

  settleSyncList(
    list: SyncList,
    prove: readonly ('in-force' | 'flushed')[],
    timeoutMs: number,
  ): Promise<Outcome<void>> {
    return this.#guarded(async () => {
      const deadlineMs = this.#caller.nowMs() + timeoutMs;
      const shown = await this.#poll(deadlineMs, () =>
        this.#query('show list', (server) => (sameList(server.shown.syncList, list) ? true : null), timeoutMs),
      );
      if (shown === null) return unknown('synchronous_standby_names was not in force in time');
      if (prove.includes('in-force')) {
        const proven = await this.#proveInForce(list, deadlineMs);
        if (proven.kind !== 'done') return proven;
      }
      return prove.includes('flushed') ? this.#proveFlushed(list, deadlineMs) : done(undefined);
    });
  }

  async #proveInForce(list: SyncList, deadlineMs: number): Promise<Outcome<void>> {
    const before = await this.#query('walsenders now', (server) => new Set(server.walSenders));
    // Two checkpoints: the second begins after the checkpointer has read the settings.
    const checkpointed = await this.#poll(deadlineMs, () =>
      this.#query('checkpoint', (server) => (sameList(server.checkpointerList, list) ? true : null)),
    );
    if (checkpointed === null) return unknown('the checkpoint did not end in time');
    const restarted = await this.#poll(deadlineMs, () =>
      this.#query('terminate walsenders', (server) => {
        const left = [...before].filter((sender) => server.walSenders.has(sender));
        for (const sender of left) server.process.after(server.rng.between(0, 5), () => sender.terminate());
        return left.length === 0 ? true : null;
      }),
    );
    return restarted === null ? unknown('a walsender from before the change is still there') : done(undefined);
  }

  async #proveFlushed(list: SyncList, deadlineMs: number): Promise<Outcome<void>> {
    const end = await this.#query('barrier mark', (server) => {
      if (server.state === 'primary') server.append({ kind: 'mark', text: 'barrier' });
      return server.end;
    });
    const confirmed = await this.#poll(deadlineMs, () =>
      this.#query('who has flushed', (server) => {
        const has = new Set<string>();
        for (const sender of server.walSenders)
          if (sender.streaming && sender.epoch === list.epoch && sender.flushed >= end) has.add(sender.node);
        return list.w === 0 || list.names.every((name) => has.has(name)) ? true : null;
      }),
    );
    return confirmed === null ? unknown(`not flushed up to ${lsnOf(end)}`) : done(undefined);
  }

  // ---- heartbeat

  async heartbeat(timeoutMs: number): Promise<Outcome<Heartbeat>> {
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = null;
    });
    const gaveUp = new Promise<Outcome<Heartbeat>>((resolve) => {
      this.#caller.after(timeoutMs, () => resolve(unknown(`not confirmed within ${timeoutMs} ms`)));
    });
    return Promise.race([this.#beating, gaveUp]);
  }

  #beat(): Promise<Outcome<Heartbeat>> {
    return this.#guarded(async () => {
      const sentAtMs = this.#caller.nowMs();
      const ended = await this.#query('heartbeat', (server) => {
        if (server.state !== 'primary') return null;
        const seq = (server.beat?.seq ?? 0) + 1;
        const what = { kind: 'beat', seq, wallMs: this.#caller.wallMs() } as const;
        return new Promise<Outcome<Heartbeat>>((resolve) => {
          server.commit(what, true, (how) =>
            this.#caller.deliver(() =>
              resolve(
                how === 'committed'
                  ? done({ seq, sentAtMs })
                  : how === 'cancelled'
                    ? refused('sync-wait-cancelled', 'committed here, but nobody confirmed it')
                    : unknown('the connection was lost'),
              ),
            ),
          );
        });
      });
      return ended === null ? refused('25006', 'a standby takes no writes') : ended;
    });
  }

  async close(): Promise<void> {
    // Sessions end with their process.
  }
}

const listAsShown = ({ shown }: PgServer): SyncList => shown.syncList;

const sameList = (a: SyncList, b: SyncList): boolean =>
  a.w === b.w &&
  (a.w === 0 || (a.epoch === b.epoch && a.names.length === b.names.length && a.names.every((n) => b.names.includes(n))));

function standbysOf(server: PgServer): StandbySeen[] {
  return [...server.walSenders].map((sender) => ({
    node: sender.node,
    epoch: sender.epoch,
    state: sender.streaming ? 'streaming' : 'catchup',
    flushLsn: lsnOf(sender.flushed),
    replayLsn: lsnOf(sender.replayed),
    syncState: sender.hasPriority ? 'quorum' : 'async',
  }));
}

const positionOf = (server: PgServer) => ({
  systemId: server.dir.systemId ?? '',
  timeline: timelineOf(server.dir),
  lsn: lsnOf(server.end),
  storedEpoch: server.storedEpoch,
});
