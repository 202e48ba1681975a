import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import type { Deployment } from '../../spec/deployment.ts';
import { knobsOf } from '../../spec/meaning.ts';
import { crashRegion, processesOfRegion, type RegionCrash } from '../../world/faults.ts';
import type { World } from '../../world/open.ts';
import { glanceAtWorld, lookAtWorld } from '../../world/status.ts';
import { makeLedgerTable, readNode, waitForReplay } from '../database-reads.ts';
import { type DrillRegion, drillRegions } from '../drill-world.ts';
import { type LedgerRow, parseLedger } from '../ledger.ts';
import type { CohortConfig } from '../load/config.ts';
import { cohortsOf, type Mix } from '../load/mix.ts';
import { LoadProcess } from '../load/process.ts';
import { monotonicMs, pause, sampleClockOffset } from '../monotonic.ts';
import { predictFailover, survivorRtts } from '../predict.ts';
import { cancelledWaitsSince, markLog } from '../server-log.ts';
import { readTakeover } from './journal.ts';
import type { FaultSeen, NodeRead, TrialObservation, UndoSeen } from './observation.ts';
import { preflight, type Start } from './preflight.ts';
import { isCalm, isStable, watchPrimaries } from './trial-watch.ts';

export interface TrialOptions {
  /** Null = the present primary's. */
  readonly region: PlaceId | null;
  readonly mix: Mix;
  /** How long service must hold to count as stable. */
  readonly windowMs: number;
  readonly command: string;
  readonly progress: (text: string) => void;
  /** Called with the primary's region right before the crash; what it returns is called when service is stable again. */
  readonly beforeCrash?: (primary: PlaceId) => Promise<() => Promise<void>>;
}

const READY_WITHIN_MS = 60_000;
const BASELINE_MS = 3_000;
const CALM_WITHIN_MS = 30_000;
const REJOIN_WITHIN_MS = 90_000;
/** Load goes on this long after the region is back: its return must not hurt. */
const AFTER_REJOIN_MS = 2_000;
const LOAD_MAX_MS = 600_000;
const REPLAY_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 100;

/**
 * One trial: traffic, the crash of a region at a random moment of the lease, until service is stable, the region's return, and
 * what every node holds in the end. Judges nothing. The region is released in every case, also when the signal fires.
 */
export async function runTrial(
  world: World,
  deployment: Deployment,
  options: TrialOptions,
  signal: AbortSignal,
): Promise<TrialObservation> {
  const start = await preflight(world, options.region, READY_WITHIN_MS);
  return new Trial(world, deployment, options, start, signal).run();
}

class Trial {
  readonly #world: World;
  readonly #deployment: Deployment;
  readonly #options: TrialOptions;
  readonly #start: Start;
  readonly #signal: AbortSignal;
  readonly #id = `d${Date.now().toString(36)}`;
  readonly #regions: readonly DrillRegion[];
  readonly #cohorts: readonly CohortConfig[];
  readonly #files: { readonly ledger: string; readonly report: string; readonly load: string };
  readonly #rows: LedgerRow[] = [];

  constructor(world: World, deployment: Deployment, options: TrialOptions, start: Start, signal: AbortSignal) {
    this.#world = world;
    this.#deployment = deployment;
    this.#options = options;
    this.#start = start;
    this.#signal = signal;
    this.#regions = drillRegions(world.layout);
    this.#cohorts = cohortsOf(this.#regions, options.mix);
    const folder = join(world.layout.stateDir, 'reports');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = (ending: string) => join(folder, `${this.#id}${ending}`);
    this.#files = { ledger: file('.ledger.jsonl'), report: file('.json'), load: file('.load.json') };
  }

  async run(): Promise<TrialObservation> {
    const startedAtWallMs = Date.now();
    await this.#makeTable();
    const marks = this.#regions.map((region) => markLog(region.postgresLogPath));
    const watch = watchPrimaries(this.#world);
    const load = this.#startLoad();
    const loadStartedMs = monotonicMs();
    try {
      const during = await this.#underLoad(load);
      const loadEndedMs = monotonicMs();
      await load.stop(this.#options.mix.writeDeadlineMs + 5_000);
      const after = await this.#afterLoad();
      const cancelledWaits = marks.reduce((sum, mark) => sum + cancelledWaitsSince(mark), 0);
      const times = { startedAtWallMs, loadStartedMs, loadEndedMs, clock: sampleClockOffset() };
      return { ...this.#known(), ...times, ...during, ...after, samples: watch.samples, cancelledWaits };
    } finally {
      watch.stop();
      await load.stop(1_000);
      rmSync(this.#files.load, { force: true });
    }
  }

  #known() {
    const { layout } = this.#world;
    const { region, primary } = this.#start;
    return {
      drill: this.#id,
      deployment: layout.deployment,
      command: this.#options.command,
      objectives: this.#deployment.objectives,
      lost: { region, wasPrimary: region === primary.region },
      survivors: this.#regions.map((it) => it.id).filter((id) => id !== region),
      prediction: predictFailover(knobsOf(this.#deployment), survivorRtts(layout, region)),
      windowMs: this.#options.windowMs,
      sqlWritesPerSecond: this.#options.mix.sqlWritesPerSecond,
      primaryBefore: primary.node,
      files: { ledger: this.#files.ledger, report: this.#files.report },
    };
  }

  async #makeTable(): Promise<void> {
    const home = this.#regions.find((region) => region.id === this.#start.primary.region);
    if (home === undefined) throw new FarshoreError('FSH_FAILED', 'the primary is in no region of this world');
    const made = await makeLedgerTable(home, this.#world.secrets.appPassword);
    if (made.kind !== 'done')
      throw new FarshoreError('FSH_REFUSED', `the drill's table could not be made: ${made.why}`);
  }

  #startLoad(): LoadProcess {
    const { ledger: ledgerPath, load } = this.#files;
    const { secretsPath } = this.#world.layout;
    const about = { schema: 'farshore.load/v1', drill: this.#id, maxDurationMs: LOAD_MAX_MS } as const;
    return new LoadProcess({ ...about, ledgerPath, secretsPath, cohorts: this.#cohorts }, load);
  }

  /** Everything that happens while users are there. */
  async #underLoad(load: LoadProcess) {
    const { progress } = this.#options;
    await load.started();
    progress(`traffic on ${this.#cohorts.length} cohorts, primary ${this.#start.primary.node}`);
    await this.#calm(load);
    // RTO depends on where in its lease the primary is hit, so the moment is drawn.
    await pause(Math.random() * this.#deployment.leaseTtlMs, this.#signal);
    this.#mustGoOn(load);
    const restore = await this.#options.beforeCrash?.(this.#start.primary.region);
    try {
      return await this.#crash(load, async () => restore?.());
    } finally {
      await restore?.();
    }
  }

  async #crash(load: LoadProcess, restore: () => Promise<void>) {
    const { progress } = this.#options;
    const { region } = this.#start;
    const before = await processesOfRegion(this.#world, region);
    const crash = await crashRegion(this.#world, region, `drill ${this.#id}`);
    try {
      const fault = await this.#prove(crash, before.length);
      progress(`${region} is gone: ${fault.evidence}`);
      await this.#stable(load, fault.effectiveMs);
      const afterPromotion = await this.#readNewPrimary();
      await restore();
      const undo = await this.#bringBack(crash, load);
      return { fault, afterPromotion, undo };
    } finally {
      await crash.undo();
    }
  }

  #pull(load: LoadProcess): void {
    this.#rows.push(...load.newRows());
    this.#mustGoOn(load);
  }

  #mustGoOn(load: LoadProcess): void {
    if (this.#signal.aborted) throw new FarshoreError('FSH_FAILED', 'interrupted; the region was released');
    if (!load.running) throw new FarshoreError('FSH_FAILED', 'the load process ended in the middle of the drill');
  }

  async #calm(load: LoadProcess): Promise<void> {
    const streams = this.#cohorts.reduce((sum, cohort) => sum + (cohort.kind === 'sql' ? 1 : 2), 0);
    const endMs = monotonicMs() + CALM_WITHIN_MS;
    for (;;) {
      this.#pull(load);
      if (isCalm(this.#rows, streams, BASELINE_MS)) return;
      if (monotonicMs() > endMs)
        throw new FarshoreError(
          'FSH_REFUSED',
          `no drill: requests fail before anything is broken; ${this.#complaint()}`,
        );
      await pause(LOOK_EVERY_MS, this.#signal);
    }
  }

  #complaint(): string {
    const bad = this.#rows.findLast((row) => row.outcome !== 'ok');
    if (bad === undefined) return `${this.#rows.length} answers so far, not every kind of request among them`;
    return `${bad.op} of ${bad.cohort} said ${bad.code}`;
  }

  /** The canary: nothing of the region is left, looked at again by us. From here the clock runs. */
  async #prove(crash: RegionCrash, processes: number): Promise<FaultSeen> {
    const left = await processesOfRegion(this.#world, this.#start.region);
    if (left.length > 0)
      throw new FarshoreError('FSH_FAILED', `${left.length} processes of the region are still alive`);
    const { killedFromMs, killedUntilMs, killed } = crash;
    // PostgreSQL ends its own children when the first of them is gone, so fewer are killed than were there.
    const evidence = `${processes} processes before, ${killed.length} of them killed by us, none left`;
    return { killedFromMs, effectiveMs: killedUntilMs, processes, evidence };
  }

  async #stable(load: LoadProcess, t0Ms: number): Promise<void> {
    const { windowMs, progress } = this.#options;
    const endMs = t0Ms + 2 * this.#deployment.objectives.rtoMs + windowMs;
    while (monotonicMs() < endMs) {
      this.#pull(load);
      if (isStable(this.#rows, t0Ms, this.#start.region, windowMs)) return progress('service is stable again');
      await pause(LOOK_EVERY_MS, this.#signal);
    }
    progress('service did not become stable; the region is brought back');
  }

  async #readNewPrimary(): Promise<TrialObservation['afterPromotion']> {
    const status = await lookAtWorld(this.#world);
    const region = this.#regions.find((it) => it.id === status.primary?.value.region);
    if (region === undefined) return null;
    const startedMs = monotonicMs();
    const read = await readNode(region, this.#world.secrets.appPassword, this.#id);
    return read.kind === 'done' && read.value.isPrimary ? { startedMs, read: read.value } : null;
  }

  async #bringBack(crash: RegionCrash, load: LoadProcess): Promise<UndoSeen> {
    const { progress } = this.#options;
    await crash.undo();
    const releasedMs = monotonicMs();
    progress(`${this.#start.region} is started again`);
    const endMs = releasedMs + REJOIN_WITHIN_MS;
    for (let why = 'it was not looked at'; ; ) {
      const glance = await glanceAtWorld(this.#world);
      const complete = glance.supervisor !== null && glance.supervisor.holds.length === 0;
      why = glance.why.text;
      if (glance.state === 'ready') {
        const rejoinedMs = monotonicMs();
        progress(`it follows the new primary after ${((rejoinedMs - releasedMs) / 1000).toFixed(1)} s`);
        for (let left = AFTER_REJOIN_MS; left > 0; left -= LOOK_EVERY_MS) {
          this.#pull(load);
          await pause(LOOK_EVERY_MS, this.#signal);
        }
        return { complete, why: 'the region runs, follows and confirms again', releasedMs, rejoinedMs };
      }
      if (monotonicMs() > endMs) return { complete, why, releasedMs, rejoinedMs: null };
      this.#pull(load);
      await pause(LOOK_EVERY_MS, this.#signal);
    }
  }

  /** Traffic is over: the ledger, and what each node holds once it has replayed everything. */
  async #afterLoad() {
    this.#options.progress('reading every node');
    const password = this.#world.secrets.appPassword;
    const status = await lookAtWorld(this.#world);
    const primary = this.#regions.find((it) => it.id === status.primary?.value.region);
    const final: NodeRead[] = [];
    const unread: { node: string; why: string }[] = [];
    const first = primary === undefined ? null : await readNode(primary, password, this.#id);
    if (first?.kind === 'done') final.push(first.value);
    else unread.push({ node: primary?.node ?? 'the primary', why: first?.why ?? status.why.text });
    for (const region of this.#regions.filter((it) => it !== primary)) {
      const lsn = final[0]?.lsn;
      const reached = lsn === undefined ? null : await waitForReplay(region, password, lsn, REPLAY_WITHIN_MS);
      const read = reached !== null && reached.kind !== 'done' ? reached : await readNode(region, password, this.#id);
      if (read.kind === 'done') final.push(read.value);
      else unread.push({ node: region.node, why: read.why });
    }
    return {
      ledger: parseLedger(readFileSync(this.#files.ledger, 'utf8')),
      final,
      unread,
      operation: await this.#takeover(),
      primaryAfter: status.primary?.value.node ?? null,
    };
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
