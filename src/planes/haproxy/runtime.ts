import { createConnection } from 'node:net';
import { err, ok, type Result } from '../../base/result.ts';
import type { Desired, ServerState } from './desired.ts';

/** Past this, HAProxy is busy or gone. Milliseconds. */
const ANSWER_WITHIN_MS = 2_000;
const ANSWER_BYTES_MAX = 1 << 20;

/** One command to HAProxy's runtime socket. Resolves to its answer, or to why there is none. */
export function ask(socketPath: string, command: string): Promise<Result<string, string>> {
  return new Promise((resolve) => {
    const socket = createConnection({ path: socketPath });
    let answer = '';
    const end = (result: Result<string, string>): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => end(err(`no answer within ${ANSWER_WITHIN_MS} ms`)));
    socket.on('connect', () => socket.write(`${command}\n`));
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
      if (answer.length > ANSWER_BYTES_MAX) end(err('an answer without end'));
    });
    socket.on('end', () => end(ok(answer.trim())));
    socket.on('error', (error) => end(err(error.message)));
  });
}

/** What HAProxy does now, as far as we drive it. */
export interface Actual {
  /** Its map. */
  readonly writes: ReadonlyMap<string, string>;
  /** By backend and server, `reads/aws:eu-west-1`. */
  readonly servers: ReadonlyMap<string, ActualServer>;
}
interface ActualServer {
  readonly state: ServerState;
  readonly weight: number;
}

export async function readActual(socketPath: string, mapPath: string): Promise<Result<Actual, string>> {
  const [servers, map] = await Promise.all([
    ask(socketPath, 'show servers state'),
    ask(socketPath, `show map ${word(mapPath)}`),
  ]);
  if (!servers.ok) return servers;
  if (!map.ok) return map;
  // `0x55… primary aws:eu-west-1`
  const entries = [...map.value.matchAll(/^0x\S+ (\S+) (\S+)$/gm)];
  const writes = new Map(entries.map(([, key, value]): [string, string] => [key ?? '', value ?? '']));
  if (writes.size === 0) return err(`its map is empty: ${map.value.slice(0, 200)}`);
  return ok({ writes, servers: parseServersState(servers.value) });
}

/** Bits of `srv_admin_state` (HAProxy's management.txt, "show servers state"): maintenance and drain, asked for by command. */
const ASKED_MAINTENANCE = 0x01;
const ASKED_DRAIN = 0x08;

export function parseServersState(text: string): ReadonlyMap<string, ActualServer> {
  const lines = text.split('\n');
  const columns =
    lines
      .find((line) => line.startsWith('# '))
      ?.slice(2)
      .split(' ') ?? [];
  const at = (name: string): number => columns.indexOf(name);
  const states = new Map<string, ActualServer>();
  for (const line of lines) {
    const fields = line.split(' ');
    const backend = fields[at('be_name')];
    const server = fields[at('srv_name')];
    const admin = Number(fields[at('srv_admin_state')]);
    if (line.startsWith('#') || backend === undefined || server === undefined || Number.isNaN(admin)) continue;
    const state = (admin & ASKED_MAINTENANCE) !== 0 ? 'maint' : (admin & ASKED_DRAIN) !== 0 ? 'drain' : 'ready';
    states.set(`${backend}/${server}`, { state, weight: Number(fields[at('srv_uweight')]) });
  }
  return states;
}

/** The commands that lead from what is to what should be; none when they agree. Writes come first: they have one right place. */
export function commandsFor(desired: Desired, actual: Actual, mapPath: string): readonly string[] {
  const commands: string[] = [];
  for (const [key, value] of desired.writes) {
    const now = actual.writes.get(key);
    if (now !== value) commands.push(`${now === undefined ? 'add' : 'set'} map ${word(mapPath)} ${key} ${value}`);
  }
  // What opens comes before what closes: there is no moment without any region.
  for (const opening of [true, false])
    for (const [server, { state }] of desired.servers)
      if ((state === 'ready') === opening && actual.servers.get(server)?.state !== state)
        commands.push(`set server ${server} state ${state}`);
  for (const [server, { weight }] of desired.servers)
    if (weight !== null && actual.servers.get(server)?.weight !== weight)
      commands.push(`set server ${server} weight ${weight}`);
  return commands;
}

/** One word of the runtime socket's language. */
const word = (text: string): string => text.replaceAll(/[\\ ;]/g, String.raw`\$&`);
