import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import type { Deployment } from '../../spec/deployment.ts';
import { knobsOf } from '../../spec/meaning.ts';
import type { World } from '../../world/open.ts';
import { glanceAtWorld, lookAtWorld } from '../../world/status.ts';
import { makeLedgerTable, readNode, waitForReplay } from '../database-reads.ts';
import { type DrillRegion, drillNodes, drillRegions } from '../drill-world.ts';
import { cohortsOf, type Mix } from '../load/mix.ts';
import { monotonicMs, pause, sampleClockOffset } from '../monotonic.ts';
import { predictFailover, type StoreLoss, survivorRtts } from '../predict.ts';
import { cancelledWaitsSince, markLog } from '../server-log.ts';
import { readLossBound, readTakeover } from './journal.ts';
import type { DrillFiles, MarkSeen, NodeRead, TrialObservation } from './observation.ts';
import { SyncWatch } from './in-sync.ts';
import { preflight, type Start } from './preflight.ts';
import type { Expected, Scenario, Stage } from './scenario.ts';
import { Traffic } from './traffic.ts';
import { watchPrimaries } from './trial-watch.ts';
import { Users } from '../ways/users.ts';
import { whyNotWhole } from './whole.ts';

export interface TrialOptions {
  readonly mix: Mix;
  /** How long service must hold to count as stable. */
  readonly windowMs: number;
  readonly command: string;
  readonly progress: (text: string) => void;
  /** Called with the primary's region right before the fault; what it returns is called when service is stable again. */
  readonly beforeFault?: (primary: PlaceId) => Promise<() => Promise<void>>;
}

const READY_WITHIN_MS = 60_000;
const REJOIN_WITHIN_MS = 90_000;
const REPLAY_WITHIN_MS = 20_000;

/**
 * One trial: traffic, what the scenario does at a random moment of the lease, until the group is whole again, and what every node
 * holds in the end. Judges nothing. What was broken is mended in every case, also when the signal fires.
 */
export async function runTrial(
  world: World,
  deployment: Deployment,
  scenario: Scenario,
  options: TrialOptions,
  signal: AbortSignal,
): Promise<TrialObservation> {
  const start = await preflight(world, scenario.region, READY_WITHIN_MS);
  await makeTable(world, start);
  return new Trial(world, deployment, scenario, options, start, signal).run();
}

async function makeTable(world: World, start: Start): Promise<void> {
  const home = drillRegions(world.layout).find((region) => region.id === start.primary.region);
  if (home === undefined) throw new FarshoreError('FSH_FAILED', 'the primary is in no region of this world');
  const made = await makeLedgerTable(home, world.secrets.appPassword);
  if (made.kind !== 'done') throw new FarshoreError('FSH_REFUSED', `the drill's table could not be made: ${made.why}`);
}

class Trial {
  readonly #world: World;
  readonly #deployment: Deployment;
  readonly #scenario: Scenario;
  readonly #options: TrialOptions;
  readonly #start: Start;
  readonly #expected: Expected;
  readonly #signal: AbortSignal;
  readonly #id = `d${Date.now().toString(36)}`;
  readonly #regions: readonly DrillRegion[];
  /** Every node, each to be read in the end. */
  readonly #nodes: readonly DrillRegion[];
  readonly #files: DrillFiles & { readonly load: string };
  readonly #traffic: Traffic;
  readonly #marks: MarkSeen[] = [];

  constructor(
    world: World,
    deployment: Deployment,
    scenario: Scenario,
    options: TrialOptions,
    start: Start,
    signal: AbortSignal,
  ) {
    this.#world = world;
    this.#deployment = deployment;
    this.#scenario = scenario;
    this.#options = options;
    this.#start = start;
    this.#expected = scenario.expect(start, world);
    this.#signal = signal;
    this.#regions = drillRegions(world.layout);
    this.#nodes = drillNodes(world.layout);
    const folder = join(world.layout.stateDir, 'reports');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = (ending: string) => join(folder, `${this.#id}${ending}`);
    this.#files = {
      ledger: file('.ledger.jsonl'),
      report: file('.json'),
      html: file('.html'),
      load: file('.load.json'),
    };
    const cohorts = cohortsOf(this.#regions, options.mix);
    const about = { drill: this.#id, secretsPath: world.layout.secretsPath, cohorts };
    this.#traffic = new Traffic(about, this.#files, signal);
  }

  async run(): Promise<TrialObservation> {
    const startedAtWallMs = Date.now();
    const marks = this.#nodes.map((node) => markLog(node.postgresLogPath));
    const watch = watchPrimaries(this.#world);
    const loadStartedMs = monotonicMs();
    let users: Users | null = null;
    try {
      if (this.#scenario.ways) users = await this.#startUsers();
      const acts = await this.#underLoad();
      const loadEndedMs = monotonicMs();
      await this.#traffic.stop(this.#options.mix.writeDeadlineMs + 5_000);
      await users?.stop(this.#options.mix.readDeadlineMs + 5_000);
      const after = await this.#afterLoad();
      const cancelledWaits = sumOfKnown(marks.map(cancelledWaitsSince));
      const times = { startedAtWallMs, loadStartedMs, loadEndedMs, clock: sampleClockOffset() };
      const ways = users === null ? null : { rows: users.rows(), missing: users.missing };
      const seen = { samples: watch.samples, marks: this.#marks, cancelledWaits, users: ways };
      return { ...this.#known(), ...times, asked: null, ...acts, ...after, ...seen };
    } finally {
      watch.stop();
      await Promise.all([this.#traffic.stop(1_000), users?.stop(1_000)]);
    }
  }

  async #startUsers(): Promise<Users | null> {
    try {
      return await Users.start(this.#world, this.#id, this.#start.region, this.#options.mix.readDeadlineMs);
    } catch (error) {
      this.#options.progress(`no users by name: ${messageOf(error)}`);
      return null;
    }
  }

  #known() {
    const { layout } = this.#world;
    const { primary } = this.#start;
    const { name, fault, planned } = this.#scenario;
    const { rtoMs, rpoMs } = this.#deployment.objectives;
    const { detection, served, hit } = this.#expected;
    // A planned move loses no region: the old primary's goes on as a standby.
    const rtts = survivorRtts(layout, planned ? null : hit);
    return {
      drill: this.#id,
      name,
      fault,
      planned,
      expects: this.#expected.primary,
      deployment: layout.deployment,
      command: this.#options.command,
      objectives: { rtoMs, rpoMs: planned ? 0 : rpoMs },
      lost: { region: hit, wasPrimary: hit === primary.region },
      survivors: served,
      prediction: predictFailover(
        knobsOf(this.#deployment),
        rtts,
        detection,
        this.#deployment.replication.mode === 'async',
        this.#storeLoss(),
      ),
      windowMs: this.#options.windowMs,
      sqlWritesPerSecond: this.#options.mix.sqlWritesPerSecond,
      primaryBefore: primary.node,
      files: { ledger: this.#files.ledger, report: this.#files.report, html: this.#files.html },
    };
  }

  /** A crash, or being cut off, takes the store's member of the region along; a disk that hangs below PostgreSQL does not. */
  #storeLoss(): StoreLoss {
    const { store } = this.#world.layout;
    const { hit, detection } = this.#expected;
    const isLost = detection === 'broken' || detection === 'silent';
    return { electionMs: store.kind === 'etcd' && isLost && this.#start.storeLeader === hit ? store.electionMs : null };
  }

  async #underLoad() {
    const { beforeFault, mix, progress } = this.#options;
    await this.#traffic.calm();
    progress(`traffic of ${mix.sqlWritesPerSecond} SQL writes/s a region is calm, primary ${this.#start.primary.node}`);
    // RTO depends on where in its lease the primary is hit, so the moment is drawn.
    await pause(Math.random() * this.#deployment.leaseTtlMs, this.#signal);
    this.#traffic.mustGoOn();
    const restore = await beforeFault?.(this.#start.primary.region);
    try {
      return await this.#scenario.act(this.#stage(async () => restore?.()));
    } finally {
      await restore?.();
    }
  }

  #stage(whenStable: () => Promise<void>): Stage {
    const { windowMs, progress } = this.#options;
    const { rtoMs } = this.#deployment.objectives;
    return {
      world: this.#world,
      deployment: this.#deployment,
      start: this.#start,
      expected: this.#expected,
      holder: `drill ${this.#id}`,
      traffic: this.#traffic,
      windowMs,
      signal: this.#signal,
      mark: (name, what, atMs = monotonicMs()) => {
        this.#marks.push({ name, atMs, what });
        progress(what);
      },
      stable: async (t0Ms, regions = this.#expected.served) => {
        const endMs = t0Ms + 2 * rtoMs + windowMs;
        const isStable = await this.#traffic.stable(t0Ms, regions, windowMs, endMs);
        progress(isStable ? 'service is stable' : 'service did not become stable');
        await whenStable();
        return isStable;
      },
      readNewPrimary: (before = this.#start.primary.node) => this.#readNewPrimary(before),
      whole: (fromMs) => this.#whole(fromMs),
    };
  }

  async #readNewPrimary(before: NodeId): Promise<TrialObservation['afterPromotion']> {
    // Of two that say they are open the one with the newer epoch: an old primary that is cut off knows no better.
    const status = await lookAtWorld(this.#world);
    const region = this.#nodes.find((it) => it.node === status.primary?.value.node);
    if (region === undefined || region.node === before) return null;
    const startedMs = monotonicMs();
    const read = await readNode(region, this.#world.secrets.appPassword, this.#id);
    return read.kind === 'done' && read.value.isPrimary ? { startedMs, read: read.value } : null;
  }

  async #whole(fromMs: number) {
    let why = 'it was not looked at';
    let holds = true;
    const isWhole = async () => {
      const glance = await glanceAtWorld(this.#world);
      holds = glance.supervisor === null || glance.supervisor.holds.length > 0;
      const missing = whyNotWhole(glance, this.#start);
      why = missing ?? 'every region runs, follows and confirms again';
      return missing === null;
    };
    const watch = new SyncWatch(this.#world, this.#start);
    try {
      const inTime = await this.#traffic.until(isWhole, fromMs + REJOIN_WITHIN_MS);
      const atMs = inTime ? monotonicMs() : null;
      return { atMs, syncedMs: await watch.stop(), holds, why };
    } finally {
      await watch.stop();
    }
  }

  /** Traffic is over: the ledger, and what each node holds once it has replayed everything. */
  async #afterLoad() {
    this.#options.progress('reading every node');
    const status = await lookAtWorld(this.#world);
    const primary = this.#nodes.find((it) => it.node === status.primary?.value.node) ?? null;
    const first = await this.#readNodes(primary, status.why.text);
    // A commit that was parked may come to an end while one node after the other is read. What differs twice does differ.
    const reads = copiesDiffer(first.final) ? await this.#readNodes(primary, status.why.text) : first;
    const operation = await this.#takeover();
    const salvages = status.regions.flatMap(({ nodes }) => nodes.flatMap(({ value }) => value.salvages));
    const saved = salvages.filter((salvage) => salvage.operation === operation?.id);
    return {
      ledger: this.#traffic.readLedger(),
      ...reads,
      operation,
      told: {
        bound: operation === null ? null : await readLossBound(this.#world, operation.epoch),
        saved: saved.reduce((sum, { transactions }) => sum + transactions, 0),
      },
      diverged: saved.length > 0,
      primaryAfter: status.primary?.value.node ?? null,
    };
  }

  async #readNodes(primary: DrillRegion | null, why: string) {
    const password = this.#world.secrets.appPassword;
    const final: NodeRead[] = [];
    const unread: { node: string; why: string }[] = [];
    const first = primary === null ? null : await readNode(primary, password, this.#id);
    if (first?.kind === 'done') final.push(first.value);
    else unread.push({ node: primary?.node ?? 'the primary', why: first?.why ?? why });
    for (const region of this.#nodes.filter((it) => it !== primary)) {
      const lsn = final[0]?.lsn;
      const reached = lsn === undefined ? null : await waitForReplay(region, password, lsn, REPLAY_WITHIN_MS);
      const read = reached !== null && reached.kind !== 'done' ? reached : await readNode(region, password, this.#id);
      if (read.kind === 'done') final.push(read.value);
      else unread.push({ node: region.node, why: read.why });
    }
    return { final, unread };
  }

  async #takeover() {
    try {
      return await readTakeover(this.#world, this.#start.epoch);
    } catch (error) {
      this.#options.progress(`the journal could not be read: ${messageOf(error)}`);
      return null;
    }
  }
}

const copiesDiffer = (reads: readonly NodeRead[]): boolean =>
  new Set(reads.map(({ ledger, orders }) => [ledger, orders].map(linesOf).join('\n'))).size > 1;

const linesOf = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .map(([id, count]) => `${id} ${count}`)
    .toSorted()
    .join('\n');

/** Null when one of them is not known: what nobody could count is not zero. */
const sumOfKnown = (counts: readonly (number | null)[]): number | null =>
  counts.reduce((sum, count) => (sum === null || count === null ? null : sum + count), 0);
