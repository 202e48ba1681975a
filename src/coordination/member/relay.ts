import {
  type Agent as HttpAgent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { MemberConfig } from '../../ports/config.ts';

/**
 * What a member dials the others through (`HTTP_PROXY`): it alone knows where their names lead, and it leads to the near
 * end of a link. So every byte between two members crosses the link of that pair, and a pair can be cut by itself. Go
 * shares connections to a proxy among targets, so each request is led by itself.
 */
export async function startRelay(config: Pick<MemberConfig, 'relay' | 'members'>): Promise<Server> {
  const nearOf = new Map(config.members.map(({ url, near }) => [new URL(url).host, near]));
  const server = createServer((incoming, outgoing) => {
    const target = targetOf(incoming);
    const near = target === null ? undefined : nearOf.get(target.host);
    if (target === null || near === undefined) {
      outgoing.writeHead(502).end(`no member has the name ${target?.host ?? incoming.url ?? ''}`);
      return;
    }
    lead(incoming, outgoing, near, target);
  });
  // Streams of raft last as long as both members live, and may be silent between heartbeats.
  Object.assign(server, { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0, timeout: 0 });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.relay.port, config.relay.host, () => resolve());
  });
  return server;
}

/** A proxy is asked with the whole URL. */
function targetOf(incoming: IncomingMessage): URL | null {
  const url = incoming.url ?? '';
  return url.startsWith('http://') && URL.canParse(url) ? new URL(url) : null;
}

/** One connection per request: a link that swallows one must not swallow the next one with it. */
const NO_POOL: HttpAgent | false = false;

function lead(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  near: { readonly host: string; readonly port: number },
  target: URL,
): void {
  const { method, headers } = incoming;
  const path = `${target.pathname}${target.search}`;
  const onward = request({ ...near, path, headers, agent: NO_POOL, ...(method === undefined ? {} : { method }) });
  onward.setNoDelay(true);
  onward.once('response', (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    // The first message of a stream may come much later than its head.
    outgoing.flushHeaders();
    answer.pipe(outgoing);
    answer.once('error', () => outgoing.destroy());
    answer.once('close', () => answer.complete || outgoing.destroy());
  });
  // What broke there breaks here, in the same way: no answer of our own.
  onward.once('error', () => outgoing.destroy());
  outgoing.once('close', () => onward.destroy());
  incoming.once('error', () => onward.destroy());
  incoming.pipe(onward);
}
