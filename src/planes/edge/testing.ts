/** For the tests of the edge: regions as real processes that can be killed, a client, and tables in a real store. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { nodeId, type PlaceId, placeId } from '../../base/ids.ts';
import type { EdgeConfig } from '../../ports/config.ts';
import type { Coordination } from '../../ports/coordination.ts';
import { keysOf, type RouteTable } from '../../ports/records.ts';

export const [A, B, C] = [placeId('aws:eu-west-1'), placeId('aws:us-east-1'), placeId('gcp:asia-east1')];
const KEYS = keysOf('shop', 'main');

/** An application of one region. It remembers which writes it got, and answers with its region. */
const REGION_SOURCE = `
import { createServer } from 'node:http';
const [region, port] = process.argv.slice(1);
const writes = [];
let deep = 200;
createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  const answer = (body) => { response.setHeader('content-type', 'application/json'); response.end(JSON.stringify(body)); };
  if (url.pathname === '/writes') return answer(writes);
  if (url.pathname === '/deep' || url.pathname === '/commits') {
    deep = Number(url.searchParams.get('be') ?? deep);
    response.statusCode = deep;
    return deep === 0 ? undefined : answer({});
  }
  if (request.method === 'GET' || request.method === 'HEAD') {
    return setTimeout(() => answer({ region, path: request.url }), Number(url.searchParams.get('ms') ?? 0));
  }
  writes.push(url.searchParams.get('id'));
  request.resume().on('end', () => setTimeout(() => answer({ region }), Number(url.searchParams.get('ms') ?? 0)));
}).listen(Number(port), '127.0.0.1', function () { process.stdout.write(this.address().port + '\\n'); });
`;

export interface RegionProcess {
  readonly region: PlaceId;
  readonly port: number;
  readonly child: ChildProcess;
  /** From now on it answers deep checks so; 0: not at all. */
  deep(status: number): Promise<unknown>;
  /** Ids of the writes it got. */
  writes(): Promise<readonly string[]>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

export async function startRegion(region: PlaceId, port = 0): Promise<RegionProcess> {
  const argv = ['--input-type=module', '-e', REGION_SOURCE, region, String(port)];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const listening = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => resolve(Number(line.toString())));
    child.once('exit', (code) => reject(new Error(`region ${region} ended with ${code}`)));
  });
  return {
    region,
    port: listening,
    child,
    deep: (status) => Promise.race([ask(listening, `/deep?be=${status}`), ask(listening, '/writes')]),
    writes: async () => JSON.parse((await ask(listening, '/writes')).body) as string[],
    kill: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
  };
}

export interface TableOptions {
  readonly epoch?: number;
  readonly primary: PlaceId | null;
  readonly regions?: readonly (readonly [PlaceId, 'active' | 'passive'])[];
}

let lastGeneration = 0;

/** Every table is newer than the one before. */
export function tableOf({ epoch = 1, primary, regions }: TableOptions): RouteTable {
  lastGeneration += 1;
  const listed = regions ?? [A, B, C].map((id) => [id, 'active'] as const);
  return {
    generation: lastGeneration,
    epoch,
    primary: primary === null ? null : { node: nodeId(primary, 'n1'), region: primary },
    regions: listed.map(([id, role]) => ({ id, role, weight: 1, state: 'serving' })),
    reason: { code: 'test', text: 'written by a test' },
  };
}

export async function publish(store: Coordination, table: RouteTable | string): Promise<void> {
  const value = typeof table === 'string' ? table : JSON.stringify(table);
  const outcome = await store.txn([], [{ put: KEYS.routes, value }]);
  if (outcome.kind !== 'done') throw new Error(`the table was not written: ${outcome.why}`);
}

export const configOf = (
  upstreams: readonly { readonly region: PlaceId; readonly port: number }[],
): Omit<EdgeConfig, 'storeUrls' | 'storeKind' | 'secretsPath'> => ({
  place: A,
  deployment: 'shop',
  group: 'main',
  listen: { host: '127.0.0.1', port: 0 },
  healthPath: '/healthz',
  upstreams: upstreams.map(({ region, port }, index) => ({ region, host: '127.0.0.1', port, rttMs: index })),
});

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly tookMs: number;
}

export interface Asked {
  readonly method?: string;
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string | string[]>;
  readonly agent?: Agent;
}

/** Resolves with a whole answer; rejects when the connection or the answer breaks. */
export function ask(port: number, path: string, asked: Asked = {}): Promise<Answer> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body, agent } = asked;
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: agent ?? false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers: got } = response;
        resolve({
          status,
          headers: got,
          body: Buffer.concat(chunks).toString(),
          tookMs: performance.now() - startedMs,
        });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export interface Load {
  readonly answers: readonly Answer[];
  /** What a user would call a failure: no answer, a broken one, or a status from 400 on. */
  readonly failures: readonly string[];
  stop(): Promise<void>;
}

/** `users` ask for `path` on their own kept connections, one request after the other. */
export function startLoad(port: number, users: number, path: string): Load {
  const answers: Answer[] = [];
  const failures: string[] = [];
  let stopped = false;
  const user = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!stopped) {
      try {
        const answer = await ask(port, path, { agent });
        answers.push(answer);
        if (answer.status >= 400) failures.push(`${answer.status} ${answer.body}`);
      } catch (error) {
        failures.push(String(error));
      }
    }
    agent.destroy();
  };
  const users_ = Array.from({ length: users }, user);
  return {
    answers,
    failures,
    stop: async () => {
      stopped = true;
      await Promise.all(users_);
    },
  };
}

/** Polls until `fact` holds. */
export async function until(what: string, fact: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  while (!(await fact())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const listen = (server: Server, host = '127.0.0.1'): Promise<number> =>
  new Promise((resolve) => server.listen(0, host, () => resolve((server.address() as AddressInfo).port)));
