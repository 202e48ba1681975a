import { accessSync, constants, existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FarshoreError } from '../base/errors.ts';
import { HOST } from '../world/layout.ts';
import type { World } from '../world/open.ts';
import { glanceAtWorld, type WorldGlance } from '../world/status.ts';
import { readArguments } from './arguments.ts';
import { DemoLoad, type Door, type Tally } from './demo/load.ts';
import { liveScreen, plainScreen, type Screen } from './demo/screen.ts';
import { DemoSession, HELP } from './demo/session.ts';
import { paint } from './paint.ts';
import { dnsLine } from './status-text.ts';
import { round, seconds, table } from './text.ts';
import { bringUp, type Running, UP_OPTIONS, upOptions, WITH_HAPROXY } from './up.ts';
import { demoSpecPath } from './which-world.ts';

const USAGE = `Usage: farshore demo [--for DURATION] [options of up]

Three continents on this machine, with users in each of them, and a prompt: kill a region and see what becomes of the writes.
Without a terminal it prints plain lines until Ctrl-C, or for --for DURATION (30s, 5m).

${HELP.map((line) => `  ${line}`).join('\n')}
`;

const LOOK_EVERY_MS = 1_000;

/** `farshore demo`: `argv` is what follows the verb. Resolves to the exit code. */
export async function demo(argv: readonly string[]): Promise<number> {
  const { values } = readArguments(argv, { ...UP_OPTIONS, ...WITH_HAPROXY, for: { type: 'string' } }, 0);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const forMs = values.for === undefined ? null : durationMs(values.for);
  const file = demoSpecPath();
  const options = upOptions(file, { ...values, state: values.state ?? demoStateDir(file) });
  const running = await bringUp(options, false);
  if (running === null) return 130;
  await play(running, forMs);
  return 0;
}

/** Beside the file when that may be written, as in a clone; else with the user's own state. */
function demoStateDir(file: string): string | undefined {
  try {
    const beside = join(dirname(file), '.farshore');
    accessSync(existsSync(beside) ? beside : dirname(file), constants.W_OK);
    return undefined;
  } catch {
    return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'farshore', 'demo');
  }
}

function durationMs(text: string): number {
  const match = /^(\d+)(s|m)$/.exec(text);
  if (match === null) throw new FarshoreError('FSH_USAGE', `--for must be like 30s or 5m, not "${text}"`);
  return Number(match[1]) * (match[2] === 'm' ? 60_000 : 1_000);
}

async function play(running: Running, forMs: number | null): Promise<void> {
  const { world } = running;
  const doors = doorsOf(world);
  const load = new DemoLoad(doors, Date.now().toString(36));
  const live = process.stdout.isTTY && process.stdin.isTTY;
  // Title, table header, regions, what DNS answers, load, line.
  const lines = doors.length + 5 + (world.layout.dns === null ? 0 : 1);
  const screen: Screen = live ? liveScreen(lines) : plainScreen((lines) => lines.join(' | '));
  const session = new DemoSession(world, load, (line) => screen.say(line));
  let over = false;
  const quit = new Promise<void>((resolve) => {
    // One command after the other, however fast they come.
    let last = Promise.resolve();
    screen.onLine((line) => {
      last = last.then(async () => {
        if (!(await session.obey(line))) resolve();
      });
    });
  });
  const ended = Promise.race([running.ended, quit, ...(forMs === null ? [] : [sleep(forMs)])]).then(() => {
    over = true;
  });
  for (const line of ['', ...HELP]) screen.say(line);
  load.start();
  while (!over) {
    const glance = await glanceAtWorld(world);
    if (over) break;
    screen.show(live ? liveLines(world, load, doors, glance) : [plainLine(load, doors, glance)]);
    await Promise.race([ended, sleep(LOOK_EVERY_MS)]);
  }
  load.stop();
  screen.close();
  await session.close();
  await running.stop();
}

const doorsOf = (world: World): readonly Door[] =>
  world.layout.places.flatMap((place) =>
    place.ports.edge === undefined ? [] : [{ region: place.id, host: HOST, port: place.ports.edge }],
  );

function liveLines(world: World, load: DemoLoad, doors: readonly Door[], glance: WorldGlance): readonly string[] {
  const { bold, dim, green, yellow, red } = paint(process.stdout);
  const held = new Set<string>(glance.supervisor?.holds.map((hold) => hold.target) ?? []);
  const newestEpoch = glance.records.kind === 'done' ? (glance.records.value.epoch?.n ?? 0) : 0;
  const rows = doors.map((door) => {
    const answer = glance.answers.find((it) => it.place === door.region);
    const node = answer?.last?.value;
    const alive = answer?.answered === true;
    const tally = load.take(door.region);
    const isOld = node?.open === true && (node.storedEpoch ?? 0) < newestEpoch;
    const said = isOld ? 'FENCED' : node?.open ? 'PRIMARY' : (node?.role ?? '-');
    const role = held.has(door.region) ? 'DOWN' : alive ? said : 'silent';
    const why = alive ? (node?.health.why.text ?? '') : '';
    return [door.region, role, `http://${door.host}:${door.port}`, usersOf(tally), why];
  });
  const [header = '', ...lines] = table([['REGION', 'ROLE', 'EDGE', 'ITS USERS, LAST SECOND', ''], ...rows]);
  const colour = glance.state === 'ready' ? green : glance.state === 'degraded' ? yellow : red;
  const epoch = glance.records.kind === 'done' ? (glance.records.value.epoch?.n ?? '-') : '?';
  return [
    `${bold(world.layout.deployment)}  ${colour(glance.state.toUpperCase())}  epoch ${epoch}  ${glance.why.text}`,
    dim(header),
    ...lines,
    ...(glance.dns === null ? [] : [dnsLine(glance.dns, red)]),
    `orders acknowledged ${load.acknowledged.length}, requests failed ${total(load)}`,
    dim('─'.repeat(process.stdout.columns)),
  ];
}

function plainLine(load: DemoLoad, doors: readonly Door[], glance: WorldGlance): string {
  const users = doors.map((door) => `${door.region} ${usersOf(load.take(door.region))}`).join(', ');
  const up = seconds(glance.supervisor?.upMs ?? 0);
  const leads = glance.dns === null ? '' : `; ${dnsLine(glance.dns, (text) => text)}`;
  return `${up} ${glance.state}: ${glance.why.text}${leads}; orders acknowledged ${load.acknowledged.length}, failed ${total(load)}; ${users}`;
}

const usersOf = ({ ok, failed, p50Ms }: Tally): string =>
  `${ok} ok${failed > 0 ? `, ${failed} FAILED` : ''}${p50Ms === null ? '' : `, p50 ${round(p50Ms)} ms`}`;

const total = (load: DemoLoad): number => [...load.failures.values()].reduce((sum, count) => sum + count, 0);
