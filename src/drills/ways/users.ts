import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { PlaceId } from '../../base/ids.ts';
import { freePorts } from '../../world/free-ports.ts';
import type { World } from '../../world/open.ts';
import { type LedgerRow, parseLedger } from '../ledger.ts';
import { LoadProcess } from '../load/process.ts';
import { type RunningResolver, startResolver, UNBOUND } from './resolver.ts';
import { HELD_SECONDS, type Ways, waysOf } from './ways.ts';

const LOAD_MAX_MS = 12 * 3_600_000;

/** Users who come in different ways, beside the traffic that the drill is judged by: they are shown, and change no verdict. */
export class Users {
  readonly #load: LoadProcess;
  readonly #resolvers: readonly RunningResolver[];
  readonly #ledgerPath: string;
  readonly #folder: string;
  readonly missing: Ways['missing'];

  private constructor(
    load: LoadProcess,
    resolvers: readonly RunningResolver[],
    ledgerPath: string,
    ways: Ways,
    folder: string,
  ) {
    this.#load = load;
    this.#resolvers = resolvers;
    this.#ledgerPath = ledgerPath;
    this.#folder = folder;
    this.missing = ways.missing;
  }

  /** @throws FarshoreError FSH_FAILED when a resolver or the load does not start */
  static async start(world: World, drill: string, lost: PlaceId, readDeadlineMs: number): Promise<Users> {
    const { layout } = world;
    const [honest = 0, holding = 0] = await freePorts(2);
    const ways = waysOf(layout, lost, UNBOUND, [honest, holding], readDeadlineMs);
    const folder = join(layout.stateDir, 'reports', `${drill}.users`);
    const resolvers: RunningResolver[] = [];
    try {
      if (ways.resolvers !== null) {
        const { stub, honestPort, holdingPort } = ways.resolvers;
        resolvers.push(await startResolver(folder, honestPort, stub, 0));
        resolvers.push(await startResolver(folder, holdingPort, stub, HELD_SECONDS));
      }
      const ledgerPath = join(layout.stateDir, 'reports', `${drill}.users.ledger.jsonl`);
      const about = { schema: 'farshore.load/v1', drill, ledgerPath, secretsPath: layout.secretsPath } as const;
      const config = { ...about, maxDurationMs: LOAD_MAX_MS, cohorts: ways.cohorts };
      const load = new LoadProcess(config, join(layout.stateDir, 'reports', `${drill}.users.load.json`));
      await load.started();
      return new Users(load, resolvers, ledgerPath, ways, folder);
    } catch (error) {
      for (const resolver of resolvers) resolver.stop();
      throw error;
    }
  }

  async stop(withinMs: number): Promise<void> {
    await this.#load.stop(withinMs);
    for (const resolver of this.#resolvers) resolver.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    rmSync(this.#ledgerPath.replace(/ledger\.jsonl$/, 'load.json'), { force: true });
  }

  rows(): readonly LedgerRow[] {
    return parseLedger(readFileSync(this.#ledgerPath, 'utf8')).rows;
  }
}
