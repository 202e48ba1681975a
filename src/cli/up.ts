import { existsSync } from 'node:fs';
import { FarshoreError } from '../base/errors.ts';
import { rttMs } from '../facts/rtt.ts';
import type { Deployment } from '../spec/deployment.ts';
import { openWorld, type World } from '../world/open.ts';
import { startWorld } from '../world/start.ts';
import { readArguments, wholeNumber } from './arguments.ts';
import { missingScript } from './missing-script.ts';
import { fileToRun } from './plan/planned-file.ts';
import { readDeployment } from './read-deployment.ts';
import { ownFactsFolder, readFactsWithOwn } from './read-facts.ts';
import { rttLines, worldLines } from './status-text.ts';
import { seconds } from './text.ts';
import { waitUntilReady } from './wait-ready.ts';

const USAGE = `Usage: farshore up FILE [--detach] [--state DIR] [--base-port N] [--postgres-bin DIR] [--etcd-bin PATH]
                        [--haproxy] [--rtt-scale X] [--for-recovery] [--timeout SECONDS]

Runs a deployment on this machine: every region is its own set of processes, every byte between places crosses a link with the
real round trip. With data from an earlier run it goes on from there. Ctrl-C stops it; --detach returns when it is ready.
A FILE without \`regions\` is planned first (\`farshore plan\`): the choice is shown, kept as NAME.planned.yaml beside FILE, and run.

  --state DIR         where the world lives (default: .farshore beside FILE)
  --base-port N       first of its ports (default: the next free block from 7800)
  --postgres-bin DIR  a system PostgreSQL, 15 or newer, instead of the one from npm
  --etcd-bin PATH     etcd's program, for a store with several members (default: the one in PATH)
  --haproxy           a HAProxy beside the edge of each region, driven by Farshore; --haproxy-bin PATH names its program
  --rtt-scale X       links have the real round trips times X (default 1; 0: no distance)
  --for-recovery      with --detach: a world whose store is behind its databases runs on, closed, for \`farshore recover store\`
  --timeout SECONDS   how long to wait until it is ready (default 120); the world goes on after it
`;

const DEFAULT_TIMEOUT_S = 120;

/** What `up` and `demo` are asked. */
export interface UpOptions {
  readonly file: string;
  readonly stateDir: string | undefined;
  readonly basePort: number | undefined;
  readonly postgresBin: string | undefined;
  readonly etcdBin: string | undefined;
  readonly haproxy: string | true | undefined;
  readonly rttScale: number | undefined;
  readonly timeoutMs: number;
}

export const UP_OPTIONS = {
  state: { type: 'string' },
  'base-port': { type: 'string' },
  'postgres-bin': { type: 'string' },
  'etcd-bin': { type: 'string' },
  'haproxy-bin': { type: 'string' },
  'rtt-scale': { type: 'string' },
  timeout: { type: 'string' },
} as const;
export const WITH_HAPROXY = { haproxy: { type: 'boolean' } } as const;
const UP_FLAGS = { detach: { type: 'boolean' }, 'for-recovery': { type: 'boolean' } } as const;

export function upOptions(
  file: string,
  values: { readonly [K in keyof typeof UP_OPTIONS]?: string | undefined } & { readonly haproxy?: boolean | undefined },
): UpOptions {
  const rttScale = values['rtt-scale'] === undefined ? undefined : Number(values['rtt-scale']);
  if (rttScale !== undefined && !(rttScale >= 0 && rttScale <= 100))
    throw new FarshoreError('FSH_USAGE', `--rtt-scale must be a number from 0 to 100, not "${values['rtt-scale']}"`);
  return {
    file,
    stateDir: values.state,
    basePort: wholeNumber('base-port', values['base-port'], 1_024, 32_000),
    postgresBin: values['postgres-bin'],
    etcdBin: values['etcd-bin'],
    haproxy: values['haproxy-bin'] ?? (values.haproxy === true ? true : undefined),
    rttScale,
    timeoutMs: 1_000 * (wholeNumber('timeout', values.timeout, 1, 86_400) ?? DEFAULT_TIMEOUT_S),
  };
}

/** `farshore up FILE`: `argv` is what follows the verb. Resolves to the exit code. */
export async function up(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, { ...UP_OPTIONS, ...WITH_HAPROXY, ...UP_FLAGS }, 1);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [file] = positionals;
  if (file === undefined) throw new FarshoreError('FSH_USAGE', 'which deployment file? farshore up FILE');
  const forRecovery = values['for-recovery'] === true;
  if (forRecovery && values.detach !== true) throw new FarshoreError('FSH_USAGE', '--for-recovery needs --detach');
  const running = await bringUp(upOptions(file, values), values.detach === true, forRecovery);
  if (running === null) return 130;
  for (const line of await worldLines(running.world)) process.stdout.write(`${line}\n`);
  if (values.detach === true) {
    process.stderr.write(
      `it goes on in the background; \`farshore down --state "${running.world.layout.stateDir}"\` stops it\n`,
    );
    await running.world.close();
    return 0;
  }
  process.stderr.write('Ctrl-C stops everything; the data stays.\n');
  await running.ended;
  return 0;
}

/** A world that this process brought up. */
export interface Running {
  readonly world: World;
  /** Resolves when the world is down: after Ctrl-C here, or `farshore down` elsewhere. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Starts a world and waits until it is ready; null when it was interrupted. In the foreground it lives as long as this process. */
export async function bringUp(options: UpOptions, detach: boolean, forRecovery = false): Promise<Running | null> {
  const startedMs = performance.now();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  if (!existsSync(options.file)) throw new FarshoreError('FSH_USAGE', `there is no file ${options.file}`);
  const facts = readFactsWithOwn(ownFactsFolder(undefined));
  const file = fileToRun(options.file, facts, say);
  const { deployment } = readDeployment(file, facts);
  say(`${deployment.name}: ${describe(deployment)}`);
  const missing = missingScript(deployment, file);
  if (missing !== null) say(`warning: ${missing}`);
  let interrupted = false;
  const interrupt = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        interrupted = true;
        resolve();
      });
    }
  });
  const layout = await startWorld(deployment, {
    specPath: file,
    stateDir: options.stateDir,
    basePort: options.basePort,
    postgresBin: options.postgresBin,
    etcdBin: options.etcdBin,
    haproxy: options.haproxy,
    rttScale: options.rttScale,
    rttMs: (a, b) => rttMs(facts, a, b).value,
  });
  const world = openWorld(layout.stateDir);
  const attached = detach ? null : world.supervisor.attach();
  const gone = new Promise<void>((resolve) => attached?.on('close', () => resolve()));
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopping ??= stopNoisily(world);
    return stopping;
  };
  const readiness = await waitUntilReady(world, startedMs, options.timeoutMs, say, () => interrupted);
  if (readiness.kind === 'stopped') {
    await stop();
    if (interrupted) return null;
    throw new FarshoreError('FSH_FAILED', 'the world was stopped while it was starting');
  }
  if (readiness.kind === 'hopeless' && forRecovery) {
    await world.close();
    throw new FarshoreError(readiness.code, `${readiness.why.text}; the world runs on, closed to writers`);
  }
  if (readiness.kind === 'hopeless') {
    await stop();
    throw new FarshoreError(readiness.code, `${readiness.why.text}; the world was stopped again, nothing was changed`);
  }
  if (readiness.kind === 'timeout') {
    // In the foreground the world ends with this process; detached it goes on.
    if (!detach) await stop();
    throw new FarshoreError('FSH_TIMEOUT', `not ready after ${seconds(options.timeoutMs)}: ${readiness.why.text}`);
  }
  say(`ready in ${seconds(readiness.tookMs)}`);
  for (const line of await rttLines(world)) say(line);
  const ended = (async () => {
    await Promise.race([interrupt, gone]);
    await stop();
  })();
  return { world, ended: detach ? Promise.resolve() : ended, stop };
}

async function stopNoisily(world: World): Promise<void> {
  process.stderr.write('stopping\n');
  const { stopWorld } = await import('../world/stop.ts');
  await stopWorld(world.layout);
  await world.close();
  process.stderr.write('stopped: no process left, all data kept\n');
}

function describe(deployment: Deployment): string {
  const { regions, sites, replication } = deployment;
  return `${deployment.model}, ${regions.length} regions and ${sites.length} site${sites.length === 1 ? '' : 's'} on this machine, ${replication.mode} replication`;
}
