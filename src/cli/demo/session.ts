import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { nearest } from '../../spec/nearest.ts';
import { type ActiveFault, crashRegion, injectFault, type RegionCrash } from '../../world/faults/inject.ts';
import { describe } from '../../world/faults/spec.ts';
import type { World } from '../../world/open.ts';
import { lookAtWorld } from '../../world/status.ts';
import { specOf } from '../fault/spec-of.ts';
import { regionNamed } from '../region-named.ts';
import { statusLines } from '../status-text.ts';
import { seconds } from '../text.ts';
import { whyLines } from '../why.ts';
import { countLost } from './count-lost.ts';
import type { DemoLoad } from './load.ts';

export const HELP: readonly string[] = [
  'kill REGION      SIGKILL every process of a region, and keep it down',
  'release REGION   bring it back; it catches up and joins again',
  'blackhole REGION cut it off from everybody while it lives on',
  'freeze REGION    stop every process of it, as a paused machine; it goes on later',
  'cut HOW WHERE    cut pair A B, cut one-way A B, cut store REGION, cut replication REGION',
  'heal             undo every blackhole, freeze and cut',
  'status           the whole world on one screen',
  'why [SUBJECT]    the last decisions and their reasons',
  'report           every kill so far: how long writes paused, and whether a write was lost',
  'help             this',
  'quit             stop everything; the data stays',
];

interface Kill {
  readonly region: PlaceId;
  readonly atMs: number;
  readonly processes: number;
  readonly crash: RegionCrash;
  releasedMs: number | null;
}

const WORDS = ['kill', 'release', 'blackhole', 'freeze', 'cut', 'heal', 'status', 'why', 'report', 'help', 'quit'];
const WHY_LINES = 12;

/** What a person does in the demo: one command a line. */
export class DemoSession {
  readonly #world: World;
  readonly #load: DemoLoad;
  readonly #say: (line: string) => void;
  readonly #kills: Kill[] = [];
  readonly #faults: ActiveFault[] = [];

  constructor(world: World, load: DemoLoad, say: (line: string) => void) {
    this.#world = world;
    this.#load = load;
    this.#say = say;
  }

  /** Carries out one line; false when it was `quit`. Errors are said, not thrown: the demo goes on. */
  async obey(line: string): Promise<boolean> {
    const [word = '', ...rest] = line.trim().split(/\s+/);
    if (word === '') return true;
    if (word === 'quit' || word === 'exit' || word === 'q') return false;
    try {
      await this.#carryOut(word, rest);
    } catch (error) {
      this.#say(messageOf(error));
    }
    return true;
  }

  /** Brings back what is down, before the end. */
  async close(): Promise<void> {
    for (const kill of this.#kills) if (kill.releasedMs === null) await kill.crash.undo();
    await this.#heal();
  }

  async #carryOut(word: string, rest: readonly string[]): Promise<void> {
    const [argument] = rest;
    switch (word) {
      case 'blackhole':
      case 'freeze':
      case 'cut':
        return this.#break([word, ...rest]);
      case 'heal':
        return this.#heal();
      case 'kill':
        return this.#kill(this.#region(argument));
      case 'release':
        return this.#release(this.#region(argument));
      case 'status':
        return this.#sayAll(statusLines(await lookAtWorld(this.#world)));
      case 'why':
        return this.#sayAll(await whyLines(this.#world, argument, WHY_LINES));
      case 'report':
        return this.#report();
      case 'help':
        return this.#sayAll(HELP);
      default:
        this.#say(unknownCommand(word));
    }
  }

  async #break(words: readonly string[]): Promise<void> {
    const fault = await injectFault(
      this.#world,
      specOf(words, { delayMs: 0, byMs: null }, this.#world.layout.places),
      'demo',
    );
    this.#faults.push(fault);
    this.#say(`${fault.what}: ${fault.evidence}; \`heal\` undoes it`);
  }

  async #heal(): Promise<void> {
    for (const fault of this.#faults.splice(0)) {
      const { complete, left } = await fault.undo();
      this.#say(complete ? `undone: ${describe(fault.spec)}` : `not undone: ${left.join('; ')}`);
    }
  }

  async #kill(region: PlaceId): Promise<void> {
    if (this.#down(region) !== undefined) throw new FarshoreError('FSH_REFUSED', `${region} is down already`);
    const atMs = performance.now();
    const crash = await crashRegion(this.#world, region, 'demo');
    const processes = crash.killed.length;
    this.#kills.push({ region, atMs, processes, crash, releasedMs: null });
    const took = (crash.killedUntilMs - crash.killedFromMs).toFixed(0);
    this.#say(
      `SIGKILL to ${processes} processes of ${region} within ${took} ms, none left; it stays down until \`release ${region}\``,
    );
  }

  async #release(region: PlaceId): Promise<void> {
    const kill = this.#down(region);
    if (kill === undefined) throw new FarshoreError('FSH_REFUSED', `${region} is not down`);
    await kill.crash.undo();
    kill.releasedMs = performance.now();
    this.#say(`${region} starts again`);
  }

  async #report(): Promise<void> {
    const acknowledged = this.#load.acknowledged;
    if (this.#kills.length === 0) this.#say('nothing was killed yet');
    for (const kill of this.#kills) {
      const ago = seconds(performance.now() - kill.atMs);
      const pause = seconds(this.#load.longestPauseMs(kill.atMs));
      const back = kill.releasedMs === null ? 'still down' : `back after ${seconds(kill.releasedMs - kill.atMs)}`;
      this.#say(
        `${kill.region} killed ${ago} ago, ${back}: longest pause without an acknowledged write since then ${pause}`,
      );
    }
    for (const [what, count] of this.#load.failures) this.#say(`failed: ${count} × ${what}`);
    // Only what is older than a moment: the newest may be acknowledged while the database is asked.
    const ids = acknowledged.map((it) => it.id);
    const { lost, asked } = await countLost(this.#world, ids);
    this.#say(`lost: ${lost} of ${ids.length} acknowledged orders (asked at the primary through ${asked})`);
  }

  #down(region: PlaceId): Kill | undefined {
    return this.#kills.find((kill) => kill.region === region && kill.releasedMs === null);
  }

  #region(word: string | undefined): PlaceId {
    return regionNamed(this.#world.layout.places, word);
  }

  #sayAll(lines: readonly string[]): void {
    for (const line of lines) this.#say(line);
  }
}

/** What is said about a word that is no command. */
export function unknownCommand(word: string): string {
  const meant = nearest(word, WORDS);
  return `there is no "${word}" here; ${meant === null ? WORDS.join(', ') : `did you mean "${meant}"?`}`;
}
