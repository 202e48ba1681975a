import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { nodeId, placeId } from '../../../base/ids.ts';
import { audiencesOf } from '../../../planes/haproxy/audiences.ts';
import { haproxyConfig } from '../../../planes/haproxy/config-file.ts';
import { nobodyWrites } from '../../../planes/haproxy/map-file.ts';
import type { EdgeConfig, HaproxyConfig } from '../../../ports/config.ts';
import type { Peer } from '../beside.ts';
import { BENCHED, launch, listening, MAIN, MEASURED, missing, OTHERS, store, type Table } from '../machine.ts';

const REGION = placeId('aws:eu-west-1');
const { deployment: DEPLOYMENT, group: GROUP } = BENCHED;

export const nginxConfig = (port: number, body: string): string => `
worker_processes 1;
pid nginx-${port}.pid;
error_log /dev/null;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  ${body}
}
`;

/** A small JSON answer, from a server that is faster than everything in front of it. */
export async function startUpstream(port: number, dir: string): Promise<void> {
  const server = `keepalive_requests 100000000;
  server { listen 127.0.0.1:${port}; default_type application/json; location / { return 200 '{"id":1,"item":"lamp","quantity":1}'; } }`;
  writeFileSync(join(dir, 'upstream.conf'), nginxConfig(port, server));
  launch(OTHERS, ['nginx', '-p', dir, '-c', join(dir, 'upstream.conf'), '-g', 'daemon off;'], dir);
  await listening(port);
}

const nginx: Peer = {
  name: 'nginx',
  missing: missing('nginx'),
  async start(port, upstreamPort, dir) {
    const body = `keepalive_requests 100000000;
  upstream app { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }`;
    writeFileSync(join(dir, 'nginx.conf'), nginxConfig(port, body));
    const child = launch(MEASURED, ['nginx', '-p', dir, '-c', join(dir, 'nginx.conf'), '-g', 'daemon off;'], dir);
    await listening(port);
    return child;
  },
};

/** `words` are further lines of its backend. */
const haproxyByHand = (name: string, words: readonly string[]): Peer => ({
  name,
  missing: missing('haproxy'),
  async start(port, upstreamPort, dir) {
    const text = `global
  nbthread 1
defaults
  mode http
  http-reuse always
  timeout client 60s
  timeout connect 1s
  timeout server 5s
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
${words.map((line) => `  ${line}\n`).join('')}  server app 127.0.0.1:${upstreamPort}
`;
    writeFileSync(join(dir, 'haproxy.cfg'), text);
    const child = launch(MEASURED, ['haproxy', '-db', '-f', join(dir, 'haproxy.cfg')], dir);
    await listening(port);
    return child;
  },
});
const haproxyBare = haproxyByHand('HAProxy', []);
/** What the driven one promises as well: a safe request that met a dead region is tried again, and the application learns who asked. */
const haproxySame = haproxyByHand('HAProxy, by hand, that retries', [
  'option redispatch 1',
  'retries 10',
  'retry-on conn-failure empty-response response-timeout 0rtt-rejected 502 503',
  'option forwardfor',
]);

const caddy: Peer = {
  name: 'Caddy',
  missing: missing('caddy'),
  async start(port, upstreamPort, dir) {
    const text = `{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${upstreamPort} {
    transport http {
      keepalive_idle_conns 1024
      keepalive_idle_conns_per_host 1024
    }
  }
}
`;
    writeFileSync(join(dir, 'Caddyfile'), text);
    const argv = [
      'env',
      'GOMAXPROCS=1',
      `HOME=${dir}`,
      'caddy',
      'run',
      '--config',
      join(dir, 'Caddyfile'),
      '--adapter',
      'caddyfile',
    ];
    const child = launch(MEASURED, argv, dir);
    await listening(port);
    return child;
  },
};

/** A peer written as a script for this Node. `packages` are looked up from here: `npm install --no-save` brings them. */
function script(name: string, packages: readonly string[], source: string): Peer {
  const require = createRequire(import.meta.url);
  const resolved = packages.map((it) => {
    try {
      return require.resolve(it);
    } catch {
      return null;
    }
  });
  const absent = packages.filter((_, i) => resolved[i] === null);
  return {
    name,
    missing: absent.length === 0 ? null : `not installed: npm install --no-save ${absent.join(' ')}`,
    async start(port, upstreamPort, dir) {
      const child = launch(
        MEASURED,
        [process.execPath, '-e', source, String(port), String(upstreamPort), ...resolved.map(String)],
        dir,
      );
      await listening(port);
      return child;
    },
  };
}

const bareNode = script(
  'bare node:http + undici',
  ['undici'],
  `const [port, up, undici] = process.argv.slice(1);
const { Pool } = require(undici);
const pool = new Pool('http://127.0.0.1:' + up, { connections: 128 });
require('node:http').createServer((q, r) => {
  pool.dispatch({ path: q.url, method: q.method, headers: { host: 'x' } }, {
    onConnect() {}, onError(e) { r.writeHead(502).end(String(e)); },
    onHeaders(status, headers, resume) { r.writeHead(status, headers.map(String)); return true; },
    onData(c) { return r.write(c); }, onComplete() { r.end(); },
  });
}).listen(Number(port), '127.0.0.1');`,
);
const httpProxy = script(
  'http-proxy',
  ['http-proxy'],
  `const [port, up, path] = process.argv.slice(1);
const http = require('node:http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 128 });
const proxy = require(path).createProxyServer({ target: 'http://127.0.0.1:' + up, agent });
proxy.on('error', (e, q, r) => r.writeHead(502).end());
http.createServer((q, r) => proxy.web(q, r)).listen(Number(port), '127.0.0.1');`,
);
const fastifyProxy = script(
  '@fastify/http-proxy',
  ['fastify', '@fastify/http-proxy'],
  `const [port, up, fastify, plugin] = process.argv.slice(1);
const app = require(fastify)();
app.register(require(plugin), { upstream: 'http://127.0.0.1:' + up });
app.listen({ port: Number(port), host: '127.0.0.1' });`,
);

const upstreamsOf = (port: number) => [{ region: REGION, host: '127.0.0.1', port, rttMs: 0 }];

export const TABLE: Table = {
  deployment: DEPLOYMENT,
  group: GROUP,
  routes: {
    generation: 1,
    epoch: 1,
    primary: { node: nodeId(REGION, 'n1'), region: REGION },
    regions: [{ id: REGION, role: 'active', weight: 1, state: 'serving' }],
    reason: { code: 'bench', text: 'one region' },
  },
};

export const edgeConfig = (port: number, dir: string, upstreams: EdgeConfig['upstreams']): EdgeConfig => ({
  place: REGION,
  deployment: DEPLOYMENT,
  group: GROUP,
  listen: { host: '127.0.0.1', port },
  storeUrls: store.urls,
  storeKind: 'embedded',
  secretsPath: join(dir, 'secrets.json'),
  healthPath: '/healthz',
  upstreams,
});

const edge: Peer = {
  name: 'Farshore edge',
  missing: null,
  async start(port, upstreamPort, dir) {
    const config = edgeConfig(port, dir, upstreamsOf(upstreamPort));
    writeFileSync(join(dir, 'edge.json'), JSON.stringify(config));
    const child = launch(MEASURED, [process.execPath, MAIN, 'edge', join(dir, 'edge.json')], dir);
    await listening(port);
    return child;
  },
};

const haproxyDriven: Peer = {
  name: 'HAProxy driven by Farshore',
  missing: missing('haproxy'),
  async start(port, upstreamPort, dir) {
    const [upstreams, routing] = [upstreamsOf(upstreamPort), null];
    const { list: audiences } = audiencesOf({ routing, place: REGION, upstreams, places: [] });
    const common = {
      place: REGION,
      runtimeSocketPath: join(dir, 'run.sock'),
      primaryMapPath: join(dir, 'primary.map'),
      agent: { host: '127.0.0.1', port: port + 1 },
      healthPath: '/healthz',
      upstreams,
      routing,
      audiences,
      weights: [],
    };
    writeFileSync(common.primaryMapPath, nobodyWrites(audiences));
    const setup = { ...common, listen: { host: '127.0.0.1', port }, threads: 1, serverStatePath: null };
    writeFileSync(join(dir, 'driven.cfg'), haproxyConfig({ ...setup, trust: null, placeMaps: null }));
    const reach = { storeUrls: store.urls, storeKind: 'embedded' as const, secretsPath: join(dir, 'secrets.json') };
    const driver: HaproxyConfig = { ...common, ...reach, deployment: DEPLOYMENT, group: GROUP };
    writeFileSync(join(dir, 'driver.json'), JSON.stringify(driver));
    const child = launch(MEASURED, ['haproxy', '-db', '-f', join(dir, 'driven.cfg')], dir);
    await listening(port);
    launch(OTHERS, [process.execPath, MAIN, 'haproxy', join(dir, 'driver.json')], dir);
    await listening(port + 1);
    return child;
  },
};

export const PEERS: readonly Peer[] = [
  edge,
  haproxyDriven,
  haproxySame,
  haproxyBare,
  nginx,
  bareNode,
  caddy,
  httpProxy,
  fastifyProxy,
];
