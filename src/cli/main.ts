#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { FarshoreError } from '../base/errors.ts';
import { nearest } from '../spec/nearest.ts';
import { reportError } from './report-error.ts';

/** `argv` is what follows the verb. Resolves to the exit code. */
type Run = (argv: string[]) => Promise<number>;
interface Verb {
  readonly does: string;
  /** Loaded only when asked for: `--version` must not wait for YAML. */
  readonly load: () => Promise<Run>;
}

const VERBS: Readonly<Record<string, Verb>> = {
  up: { does: 'run a deployment on this machine: up FILE', load: async () => (await import('./up.ts')).up },
  down: { does: 'stop it; its data stays', load: async () => (await import('./down.ts')).down },
  demo: { does: 'three continents on this machine, live', load: async () => (await import('./demo.ts')).demo },
  status: { does: 'what runs where, how old each value is', load: async () => (await import('./status.ts')).status },
  why: { does: 'the last decisions and their reasons', load: async () => (await import('./why.ts')).why },
  salvage: {
    does: 'what a node held alone, and was saved from it',
    load: async () => (await import('./salvage.ts')).salvage,
  },
  recover: {
    does: 'records for a store that was lost: recover store',
    load: async () => (await import('./recover.ts')).recover,
  },
  switchover: {
    does: 'move the primary, planned: no write lost, or refused',
    load: async () => (await import('./operations/move.ts')).switchover,
  },
  failover: {
    does: 'make a region primary although the old one is lost',
    load: async () => (await import('./operations/move.ts')).failover,
  },
  failback: {
    does: 'move the primary back to a region that follows again',
    load: async () => (await import('./operations/move.ts')).failback,
  },
  traffic: {
    does: 'hold a region back from users, or let it serve: traffic drain REGION',
    load: async () => (await import('./traffic.ts')).traffic,
  },
  pause: {
    does: 'no automatic takeovers for a while: pause --for 2h --reason TEXT',
    load: async () => (await import('./operations/ops.ts')).pause,
  },
  resume: { does: 'automatic takeovers again', load: async () => (await import('./operations/ops.ts')).resume },
  ops: { does: 'operations: list, watch, cancel', load: async () => (await import('./operations/ops.ts')).ops },
  history: {
    does: 'operations that were: who, why, how they ended',
    load: async () => (await import('./operations/ops.ts')).history,
  },
  drill: {
    does: 'lose a region under load and prove what was lost',
    load: async () => (await import('./drill.ts')).drill,
  },
  fault: {
    does: 'break something and hold it: fault blackhole REGION --for 30s',
    load: async () => (await import('./fault.ts')).fault,
  },
  doctor: { does: 'check this machine', load: async () => (await import('./doctor.ts')).doctor },
  plan: {
    does: 'the best regions for your users, laws and budget, and why: plan FILE',
    load: async () => (await import('./plan.ts')).plan,
  },
  validate: {
    does: 'check a deployment file: validate FILE',
    load: async () => (await import('./validate.ts')).validate,
  },
  probe: {
    does: 'round trips between the running agents, beside the facts',
    load: async () => (await import('./probe.ts')).probe,
  },
  facts: {
    does: 'regions, round trips, prices: facts rtt A B, show, verify, import',
    load: async () => (await import('./facts.ts')).facts,
  },
  schema: {
    does: 'print the JSON Schema of the deployment file',
    load: async () => (await import('./schema.ts')).schema,
  },
  explain: {
    does: 'what an error code means and what to do: explain CODE',
    load: async () => (await import('./explain.ts')).explain,
  },
  version: { does: 'print the version', load: async () => printVersion },
  help: { does: 'print this', load: async () => printHelp },
};

/** Processes of a world. The supervisor starts them; a person may too. */
const PROCESSES: Readonly<Record<string, Verb>> = {
  agent: { does: 'the loop of one node: agent FILE', load: async () => (await import('./agent.ts')).agent },
  edge: { does: 'an HTTP edge: edge FILE', load: async () => (await import('./edge.ts')).edge },
  dns: { does: 'an authoritative DNS server: dns FILE', load: async () => (await import('./dns.ts')).dns },
  haproxy: { does: 'what drives a HAProxy: haproxy FILE', load: async () => (await import('./haproxy.ts')).haproxy },
  store: { does: 'the embedded store: store FILE', load: async () => (await import('./processes.ts')).store },
  link: { does: 'one directed pair of places: link FILE', load: async () => (await import('./processes.ts')).link },
};

const EXIT_CODES = `Exit codes: 0 done and verified, 1 failed, 2 changes pending, 3 deployment file invalid, 4 refused by a guard,
  5 timed out (it goes on), 6 unhealthy (status --exit-code), 7 drill failed, 8 outcome unknown, 9 drill inconclusive,
  10 undo incomplete, 64 usage, 130 interrupted before any change`;

function helpText(): string {
  const list = (verbs: Readonly<Record<string, Verb>>): string =>
    Object.entries(verbs)
      .map(([name, { does }]) => `  ${name.padEnd(11)}${does}`)
      .join('\n');
  return `Farshore runs one application in several regions and proves that losing one loses no write.

Usage: farshore VERB [OPTIONS]      farshore VERB --help

${list(VERBS)}

Processes of a world:
${list(PROCESSES)}

--state DIR selects the world (default: .farshore beside the deployment file).
${EXIT_CODES}
`;
}

async function printHelp(): Promise<number> {
  process.stdout.write(helpText());
  return 0;
}

async function printVersion(): Promise<number> {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  process.stdout.write(`${(JSON.parse(text) as { version: string }).version}\n`);
  return 0;
}

async function run(argv: readonly string[]): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined) {
    process.stderr.write(helpText());
    return 64;
  }
  const name =
    { '--help': 'help', '-h': 'help', '--version': 'version', '-v': 'version', '-V': 'version' }[word] ?? word;
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : Object.hasOwn(PROCESSES, name) ? PROCESSES[name] : undefined;
  if (verb !== undefined) return (await verb.load())(rest);
  const meant = nearest(word, [...Object.keys(VERBS), ...Object.keys(PROCESSES)]);
  const hint = meant === null ? '' : `; did you mean \`farshore ${meant}\`?`;
  throw new FarshoreError('FSH_USAGE', `there is no verb "${word}"${hint}`);
}

/** Everything written reaches a pipe before the end. */
const exitAfterOutput = (code: number): void => {
  process.stdout.write('', () => process.exit(code));
};

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader has seen enough: `farshore status | head -1`.
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});
run(process.argv.slice(2)).then(exitAfterOutput, (error: unknown) => exitAfterOutput(reportError(error)));
