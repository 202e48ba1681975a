import type { AddressInfo, Server } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { HaproxyConfig } from '../../ports/config.ts';
import type { Coordination } from '../../ports/coordination.ts';
import { keysOf } from '../../ports/records.ts';
import { startDeepChecks } from '../edge/deep-checks.ts';
import { startChecks } from '../looks/checks.ts';
import { Steering } from '../steering/steering.ts';
import { TableWatch } from '../steering/table-watch.ts';
import { serveAgentChecks } from './agent-check.ts';
import { type Desired, desiredOf, madeForOther } from './desired.ts';
import { keepText, mapText } from './map-file.ts';
import { ask, commandsFor, readActual } from './runtime.ts';
import { stateText } from './state-file.ts';

/** HAProxy is compared with the table this often, whatever changed: it may have been started again, or somebody else may have a hand in it. */
const COMPARE_EVERY_MS = 1_000;
const REREAD_TABLE_EVERY_MS = 2_000;
const RETRY_STORE_MS = 250;
/** Regions are looked at only to tell a silent deep check from a silent region: when the policy asks for deep checks. */
const LOOK = { checkEveryMs: 500, checkTimeoutMs: 500 };

/** How to reach the store is the business of whoever connects it. */
type DrivenConfig = Omit<HaproxyConfig, 'storeUrls' | 'storeKind' | 'secretsPath'>;

export interface HaproxyDriver {
  /** Where agent checks are answered. */
  readonly agentPort: number;
  close(): Promise<void>;
}

/**
 * Drives a HAProxy that runs with the configuration of `haproxyConfig`: keeps its map and its servers' states as the route table
 * says, without a reload. HAProxy goes on as it is when this process or the store is gone.
 * @param say one line about a change or about trouble, never twice in a row the same
 * @throws FarshoreError FSH_PORT_IN_USE
 */
export async function driveHaproxy(
  config: DrivenConfig,
  coordination: Coordination,
  clock: Clock,
  say: (text: string) => void,
): Promise<HaproxyDriver> {
  const driver = new Driver(config, coordination, clock, say);
  await driver.listen();
  return driver;
}

class Driver implements HaproxyDriver {
  readonly #config: DrivenConfig;
  readonly #clock: Clock;
  readonly #say: (text: string) => void;
  readonly #watch: TableWatch;
  readonly #agent: Server;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  readonly #steering: Steering;
  readonly #stopChecks: readonly (() => void)[];
  #wake: AbortController = new AbortController();
  #desired: Desired | null = null;
  #refused: string | null = null;
  #said = '';

  constructor(config: DrivenConfig, coordination: Coordination, clock: Clock, say: (text: string) => void) {
    this.#config = config;
    this.#clock = clock;
    this.#say = say;
    this.#agent = serveAgentChecks((server) => this.#desired?.servers.get(server)?.state);
    const rtt = new Map(config.upstreams.map(({ region, rttMs }) => [region, rttMs]));
    this.#steering = new Steering(clock, config.place, rtt, () => this.#redirect());
    this.#stopChecks = [...this.#startLooks(), ...startDeepChecks(config.upstreams, this.#steering, clock)];
    this.#watch = new TableWatch({
      coordination,
      clock,
      key: keysOf(config.deployment, config.group).routes,
      rereadEveryMs: REREAD_TABLE_EVERY_MS,
      retryStoreMs: RETRY_STORE_MS,
      onTable: (text) => this.#offer(text),
    });
    this.#loop = this.#run();
  }

  get agentPort(): number {
    return (this.#agent.address() as AddressInfo | null)?.port ?? 0;
  }

  listen(): Promise<void> {
    const { host, port } = this.#config.agent;
    return new Promise((resolve, reject) => {
      this.#agent.once('error', (error) => {
        void this.close();
        const taken = 'code' in error && error.code === 'EADDRINUSE';
        reject(taken ? new FarshoreError('FSH_PORT_IN_USE', `port ${port} on ${host} is taken`, error) : error);
      });
      this.#agent.listen(port, host, () => resolve());
    });
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    this.#watch.stop();
    for (const stop of this.#stopChecks) stop();
    this.#agent.close();
    await this.#loop;
  }

  #offer(text: string): void {
    this.#steering.offerTable(text);
    const { lastRefusal } = this.#steering.tableHistory;
    if (lastRefusal !== null && lastRefusal !== this.#refused)
      this.#tell(`a route table is refused, the last one stays: ${lastRefusal}`);
    this.#refused = lastRefusal;
  }

  /** The table, or what the regions say of writing, is another one. */
  #redirect(): void {
    const { world } = this.#steering;
    if (world === null) return;
    const { place, audiences, routing: madeFor, weights } = this.#config;
    const { table, readOnly } = world;
    this.#desired = desiredOf({ table, place, audiences, readOnly, madeFor, weights });
    if (madeForOther(table, madeFor))
      this.#tell('the policies are others than those that the configuration of HAProxy was made for: make it again');
    this.#wake.abort();
  }

  #startLooks(): readonly (() => void)[] {
    const { upstreams, healthPath } = this.#config;
    return upstreams.map(({ region, host, port, rttMs }, index) =>
      startChecks({
        question: () =>
          this.#steering.deepCheck === null
            ? null
            : { target: { host, port }, look: this.#steering.applicationLook(healthPath) },
        pace: () => this.#steering.paceOf(rttMs, LOOK),
        offsetMs: (index * LOOK.checkEveryMs) / upstreams.length,
        clock: this.#clock,
        onFound: ({ code }) => this.#steering.signal(region, code === 'ok', 'check', code),
      }),
    );
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#wake = new AbortController();
      if (this.#desired !== null) await this.#apply(this.#desired);
      if (this.#stopping.signal.aborted) return;
      // A table that came meanwhile has aborted this already, and is applied at once.
      await this.#clock.sleep(COMPARE_EVERY_MS, this.#wake.signal).catch(() => undefined);
    }
  }

  async #apply(desired: Desired): Promise<void> {
    const { runtimeSocketPath: socket, primaryMapPath: map, serverStatePath: states, upstreams } = this.#config;
    try {
      await keepText(map, mapText(desired.writes));
      if (states !== undefined) await keepText(states, stateText(desired.servers, upstreams));
    } catch (error) {
      this.#tell(`what HAProxy starts from the next time cannot be written: ${messageOf(error)}`);
    }
    const actual = await readActual(socket, map);
    if (!actual.ok) return this.#tell(`HAProxy does not answer (${actual.error}); it is told again when it does`);
    const commands = commandsFor(desired, actual.value, map);
    for (const command of commands) {
      const answer = await ask(socket, command);
      const trouble = answer.ok ? answer.value : answer.error;
      if (trouble !== '') return this.#tell(`"${command}" failed: ${trouble}`);
    }
    // One about each audience's writes would be many lines that say one thing.
    const servers = commands.filter((command) => !command.includes(' map '));
    if (commands.length > 0) this.#tell(['writes: ' + shown(desired), ...servers].join('; '));
  }

  #tell(text: string): void {
    if (text !== this.#said) this.#say(text);
    this.#said = text;
  }
}

const shown = ({ writes }: Desired): string => [...new Set(writes.values())].join(', ');
