import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { lsnBytes } from '../base/lsn.ts';
import type { AttestAsked, Order, RttsView } from '../ports/agent.ts';
import type { AgentConfig } from '../ports/config.ts';
import type { OperationAsked, PauseAsked, Signed } from '../ports/operations.ts';
import type { Agent } from './agent.ts';
import { metricsOf } from './metrics.ts';
import type { Operations } from './operations.ts';
import { measureRtts, SAMPLES_MOST } from './rtts.ts';
import { type KeeperPids, statusOf } from './status.ts';

const ORDER_BYTES_MAX = 64 * 1024;

/**
 * The agent's HTTP API (src/ports/agent.ts). Health endpoints are open, as load balancers need them; everything else
 * needs the deployment's token. Listens on loopback only: anything else needs TLS, which this server does not have (I15).
 */
export function startAgentApi(
  agent: Agent,
  config: AgentConfig,
  token: string,
  keeperPids: () => Promise<KeeperPids>,
  clock: Clock,
): Promise<Server> {
  const server = createServer((request, response) => {
    void route({ agent, config, token, keeperPids, clock }, request, response).catch((error: unknown) => {
      if (!response.headersSent) send(response, 500, { code: 'FSH_FAILED', message: messageOf(error) });
      else response.destroy();
    });
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.api.port, config.api.host, () => resolve(server));
  });
}

interface Door {
  readonly agent: Agent;
  readonly config: AgentConfig;
  readonly token: string;
  readonly keeperPids: () => Promise<KeeperPids>;
  readonly clock: Clock;
}

async function route(door: Door, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://agent');
  const health = healthStatus(door.agent, url);
  if (health !== null) return send(response, health.ok ? 200 : 503, health);
  if (url.pathname === '/metrics') {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' });
    response.end(metricsOf(door.agent));
    return;
  }
  if (!isAllowed(request, door.token))
    return send(response, 401, { code: 'unauthorised', message: 'a bearer token is needed' });
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /pulse':
      return streamPulses(door, request, response);
    case 'POST /orders':
      return send(response, 200, await door.agent.obey(JSON.parse(await bodyOf(request)) as Order));
    case 'POST /attest':
      return send(response, 200, door.agent.attest(JSON.parse(await bodyOf(request)) as AttestAsked));
    case 'GET /status':
      return send(response, 200, statusOf(door.agent, door.config, await door.keeperPids(), door.clock));
    case 'GET /why':
      return send(response, 200, {
        node: door.config.node,
        decisions: door.agent.decisions,
        now: door.agent.state.why,
        candidates: door.agent.operations.candidates(),
      });
    case 'GET /rtts':
      return send(response, 200, await rttsOf(door, url));
    case 'GET /operations':
      return send(response, 200, door.agent.operations.view());
    default: {
      const answer = request.method === 'POST' ? await answerOperation(door.agent.operations, url, request) : null;
      if (answer !== null) return send(response, answer.status, answer.body);
      return send(response, 404, {
        code: 'not-found',
        message: `${request.method} ${url.pathname} is not a call of this API`,
      });
    }
  }
}

const DEFAULT_SAMPLES = 9;
const COMMITS_WITHIN_MS = 3_000;

function rttsOf({ config, clock }: Door, url: URL): Promise<RttsView> {
  const asked = Math.trunc(Number(url.searchParams.get('samples') ?? DEFAULT_SAMPLES));
  const samples = Math.max(1, Math.min(SAMPLES_MOST, asked || DEFAULT_SAMPLES));
  return measureRtts(config.node, config.peers, samples, clock);
}

/** What a person asks for: src/ports/operations.ts. Null when the path is none of these. */
async function answerOperation(
  operations: Operations,
  url: URL,
  request: IncomingMessage,
): Promise<{ readonly status: number; readonly body: unknown } | null> {
  const cancel = /^\/operations\/([a-z0-9-]{1,64})\/cancel$/.exec(url.pathname)?.[1];
  if (cancel === undefined && !['/operations', '/pause', '/resume'].includes(url.pathname)) return null;
  const asked: unknown = JSON.parse(await bodyOf(request));
  const wrong = whatIsWrong(asked, cancel === undefined ? url.pathname : '/cancel');
  if (wrong !== null) return { status: 400, body: { code: 'bad-request', message: wrong } };
  if (cancel !== undefined) return { status: 200, body: await operations.cancel(cancel, asked as Signed) };
  if (url.pathname === '/pause') return { status: 200, body: await operations.pause(asked as PauseAsked) };
  if (url.pathname === '/resume') return { status: 200, body: await operations.resume(asked as Signed) };
  return { status: 200, body: await operations.ask(asked as OperationAsked) };
}

const SIGNED_CHARS_MAX = 500;
const PAUSE_MS_MAX = 30 * 24 * 3_600_000;

/** Everything that goes into the journal is checked before: it is read by every agent. Null when nothing is wrong. */
function whatIsWrong(asked: unknown, path: string): string | null {
  if (typeof asked !== 'object' || asked === null) return 'the body is no object';
  const it = asked as Partial<Record<keyof OperationAsked | keyof PauseAsked, unknown>>;
  for (const name of ['actor', 'reason'] as const) {
    const text = it[name];
    if (typeof text !== 'string' || text.trim() === '' || text.length > SIGNED_CHARS_MAX)
      return `${name} must be a text of 1 to ${SIGNED_CHARS_MAX} characters`;
  }
  if (path === '/pause') {
    const ok = typeof it.forMs === 'number' && it.forMs > 0 && it.forMs <= PAUSE_MS_MAX;
    return ok ? null : `forMs must be a number of milliseconds up to ${PAUSE_MS_MAX}`;
  }
  if (path !== '/operations') return null;
  if (it.kind !== 'switchover' && it.kind !== 'failover' && it.kind !== 'failback')
    return 'kind must be switchover, failover or failback';
  if (typeof it.target !== 'string') return 'target must be a region or node';
  if (typeof it.dryRun !== 'boolean') return 'dryRun must be true or false';
  if (it.fenced !== null && typeof it.fenced !== 'string') return 'fenced must be a region or null';
  const loss = it.allowLossMs;
  const named = loss === null || loss === 'any' || (typeof loss === 'number' && loss >= 0);
  return named ? null : 'allowLossMs must be milliseconds, "any" or null';
}

/** Patroni's paths, so that an existing load balancer configuration works. Null when the path is none of them. */
function healthStatus(agent: Agent, url: URL): { readonly ok: boolean; readonly why: string } | null {
  const { local, observation } = agent.state;
  const open = agent.data?.open ?? false;
  switch (url.pathname) {
    case '/primary':
      return { ok: open, why: open ? 'open as primary' : (agent.data?.roleWhy.text ?? 'no data here') };
    case '/replica': {
      const lagMax = Number(url.searchParams.get('lag') ?? Number.POSITIVE_INFINITY);
      const lag =
        local?.endLsn !== null && local?.replayLsn !== null && local !== null
          ? lsnBytes(local.replayLsn, local.endLsn)
          : null;
      const ok = local?.state === 'standby' && local.receiving && lag !== null && lag <= lagMax;
      return { ok, why: ok ? `standby, ${lag} bytes to replay` : 'no standby that streams within the lag asked for' };
    }
    case '/commits': {
      const within = Number(url.searchParams.get('within') ?? COMMITS_WITHIN_MS);
      const ageMs = agent.pulse().commitAgeMs;
      const ok = open && ageMs <= within;
      const why = open ? `committed ${Math.round(ageMs)} ms ago` : (agent.data?.roleWhy.text ?? 'no data here');
      return { ok, why };
    }
    case '/readiness': {
      const ok =
        local === null
          ? observation?.store.state === 'current'
          : open || (local.state === 'standby' && local.receiving);
      return { ok, why: ok ? 'ready' : (agent.data?.roleWhy.text ?? 'the store was not read yet') };
    }
    case '/liveness':
      return { ok: true, why: 'the loop turns' };
    default:
      return null;
  }
}

function streamPulses(door: Door, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  request.socket.setNoDelay(true);
  response.write(`${JSON.stringify(door.agent.pulse())}\n`);
  const stop = door.agent.onPulse((pulse) => {
    // A listener that does not read is behind a cut link: old pulses are worth nothing to it, so they are not queued.
    if (response.writableLength < ORDER_BYTES_MAX) response.write(`${JSON.stringify(pulse)}\n`);
  });
  response.on('close', stop);
}

function isAllowed(request: IncomingMessage, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(request.headers.authorization ?? ''), digest(`Bearer ${token}`));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > ORDER_BYTES_MAX) throw new Error('the request is too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
