import type { PlaceId } from '../../base/ids.ts';
import { assert } from '../../base/result.ts';
import type { EdgeConfig, HaproxyAudience } from '../../ports/config.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { weightOf } from './desired.ts';
import { frontendSection } from './frontend.ts';
import { CANARY, FENCED, LAST_RESORT, readsOf, writesTo } from './names.ts';
import { quote } from './words.ts';

/** What HAProxy is told once, when it starts. Everything that changes at run time goes through maps, server states and agent checks. */
export interface HaproxySetup {
  readonly place: PlaceId;
  readonly listen: { readonly host: string; readonly port: number };
  /** Unix socket with level admin: what Farshore changes at run time. */
  readonly runtimeSocketPath: string;
  /** A file with a line `primary REGION` for each audience: HAProxy reads it when it starts, the runtime socket changes it later. */
  readonly primaryMapPath: string;
  /** Which servers are closed when HAProxy starts; null: none. */
  readonly serverStatePath: string | null;
  /** Answers `ready`, `drain` or `maint` for a region; null: only the runtime socket is used. */
  readonly agent: { readonly host: string; readonly port: number } | null;
  readonly healthPath: string;
  readonly upstreams: readonly Upstream[];
  /** Threads of HAProxy; null: one for each core. */
  readonly threads: number | null;
  /** From `audiencesOf`, for the same policy. */
  readonly audiences: readonly HaproxyAudience[];
  readonly routing: RoutingPolicy | null;
  /** Shares of the regions by weight; those that are missing weigh nothing. */
  readonly weights: readonly { readonly id: PlaceId; readonly weight: number }[];
  /** Whose word about a client is believed. */
  readonly trust: NonNullable<EdgeConfig['trust']> | null;
  /** Files that lead networks and countries to audiences; null: there is only one. */
  readonly placeMaps: { readonly networks: string; readonly countries: string } | null;
}

export interface Upstream {
  readonly region: PlaceId;
  readonly host: string;
  readonly port: number;
  readonly rttMs: number;
}

/**
 * HAProxy's configuration (2.6 and later) for one place. Reads go to the first region of their order that is up, may serve and has room; a
 * failed try is made again elsewhere. Each audience has backends of its own, with no server that residency forbids it (I11). Writes go to the
 * region that the map calls primary, are sent once, and are refused while it names nobody. When every region looks dead, reads
 * are tried anyway, nearest first, unless the file says otherwise (I12).
 */
export function haproxyConfig(setup: HaproxySetup): string {
  const { audiences } = setup;
  return [
    `# Made by Farshore for ${setup.place}; written again when its places, addresses or policies change.`,
    ...globalSection(setup),
    ...defaultsSection(setup),
    ...frontendSection(setup),
    ...audiences.flatMap((audience) => [...readsSection(setup, audience), ...lastResortSection(setup, audience)]),
    ...setup.upstreams.flatMap(writesSection),
    ...refusedSections(),
    '',
  ].join('\n');
}

const globalSection = (setup: HaproxySetup): readonly string[] => [
  'global',
  `  stats socket ${quote(setup.runtimeSocketPath)} mode 600 level admin expose-fd listeners`,
  '  hard-stop-after 10s',
  ...(setup.serverStatePath === null ? [] : [`  server-state-file ${quote(setup.serverStatePath)}`]),
  '  spread-checks 5',
  ...(setup.threads === null ? [] : [`  nbthread ${setup.threads}`]),
];

/**
 * A region is noticed as lost after two checks, the second sooner than the first, or after five requests in a row that got no good
 * answer at all. `timeout check` bounds a check that is swallowed.
 */
const defaultsSection = (setup: HaproxySetup): readonly string[] => [
  'defaults',
  '  mode http',
  ...(setup.serverStatePath === null ? [] : ['  load-server-state-from-file global']),
  '  option http-keep-alive',
  '  http-reuse safe',
  '  option redispatch 1',
  '  timeout http-request 10s',
  '  timeout http-keep-alive 60s',
  '  timeout client 60s',
  '  timeout connect 1s',
  '  timeout queue 1s',
  '  timeout check 750ms',
  '  timeout tunnel 1h',
  ...(setup.routing?.health.check === 'tcp' ? [] : pageLines(setup)),
  '  default-server check inter 1s fastinter 250ms downinter 500ms fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down',
];

/** Without them a check is a connection, no more. */
const pageLines = ({ healthPath, place }: HaproxySetup): readonly string[] => [
  '  option httpchk',
  `  http-check send meth GET uri ${quote(healthPath)} ver HTTP/1.1 hdr Host ${place.replaceAll(':', '.')}`,
  '  http-check expect rstatus ^2',
];

/**
 * What a safe request is tried again for, each time on another server: `balance first` takes the nearest that was not the last one tried.
 * Backups would not do: they are left alone while the nearest counts as up, and a try that fails after it was connected doesn't count
 * against it (HAProxy's `observe` sees a request's last try only).
 */
const RETRIED = 'conn-failure empty-response response-timeout 0rtt-rejected 502 503';

/** Where there is no other server HAProxy waits a second before each further try. */
const retriesFor = (servers: readonly PlaceId[]): number => (servers.length > 1 ? 10 : 2);

function readsSection(setup: HaproxySetup, { name, tiers }: HaproxyAudience): readonly string[] {
  const [first = [], ...others] = tiers;
  const behind = others.flat();
  const isShared = first.length > 1;
  const backend = readsOf(name);
  const slowStart = isShared && setup.routing !== null && setup.routing.slowStartMs > 0;
  const words = (region: PlaceId): readonly string[] => [
    ...(isShared ? [`weight ${weightOf(setup.weights, region)}`] : []),
    ...(slowStart ? [`slowstart ${setup.routing?.slowStartMs}ms`] : []),
    ...(pins(setup, name) ? [`cookie ${encodeURIComponent(region)}`] : []),
  ];
  const server = (region: PlaceId, more: readonly string[] = []): string =>
    serverLine(upstreamOf(setup, region), [...words(region), ...more, ...agentWords(setup, backend, region)]);
  return [
    `backend ${backend}`,
    // A connection that an earlier request left may be dead by now: safe requests are tried again, so they may use any.
    '  http-reuse always',
    '  timeout server 2s',
    // Shares by the client's network: it stays with its region, and when one is lost only that one's clients move.
    ...(isShared ? ['  balance hash var(txn.client),ipmask(24,48)', '  hash-type consistent'] : ['  balance first']),
    ...(pins(setup, name) ? [STAY] : []),
    `  retries ${retriesFor(tiers.flat())}`,
    `  retry-on ${RETRIED}`,
    `  http-response set-header x-farshore-region %[srv_name]`,
    ...first.map((region) => server(region)),
    ...behind.map((region) => server(region, isShared ? ['backup'] : [])),
  ];
}

/** The cookie of the edges. Canaries don't stay: what marks them decides. */
const STAY = '  cookie farshore-region insert indirect nocache httponly attr "SameSite=Lax"';
const pins = ({ routing }: HaproxySetup, name: string): boolean =>
  routing?.affinity === 'cookie' && (routing.canary === null || !name.endsWith(CANARY));

/** No checks: health takes nothing away here, only what the operator and the roles say. Tried in turn. */
function lastResortSection(setup: HaproxySetup, { name, lastResort }: HaproxyAudience): readonly string[] {
  const backend = `${readsOf(name)}${LAST_RESORT}`;
  return [
    `backend ${backend}`,
    '  timeout server 2s',
    '  balance first',
    `  retries ${retriesFor(lastResort)}`,
    `  retry-on ${RETRIED}`,
    '  http-response set-header x-farshore-region %[srv_name]',
    ...lastResort.map((region) =>
      serverLine(upstreamOf(setup, region), ['no-check', ...agentWords(setup, backend, region)]),
    ),
  ];
}

/** One server and no second try once anything was sent. 503 is HAProxy's own word for "never sent", 502 and 504 for "sent, no answer". */
const writesSection = (upstream: Upstream): readonly string[] => [
  `backend ${writesTo(upstream.region)}`,
  '  timeout server 30s',
  '  retries 3',
  '  retry-on conn-failure',
  `  http-response set-header x-farshore-region ${upstream.region}`,
  ownAnswer(
    'error',
    502,
    'outcome-unknown',
    'the write was sent and no whole answer came; it may have been carried out',
  ),
  ownAnswer('error', 503, 'refused', 'the write was not sent to any region'),
  ownAnswer(
    'error',
    504,
    'outcome-unknown',
    'the write was sent and no answer came in time; it may have been carried out',
  ),
  // Never marked down: who may take writes is decided by the epoch, and a region that seems dead has not lost its own (I12).
  serverLine(upstream, ['no-check']),
];

const refusedSections = (): readonly string[] => [
  'backend refused',
  ownAnswer('request', 503, 'refused', 'nobody may accept writes now; nothing was sent'),
  `backend ${writesTo(FENCED)}`,
  ownAnswer('request', 451, 'fenced', 'residency allows no region that may serve this; nothing was sent'),
];

function ownAnswer(when: 'request' | 'error', status: number, code: string, why: string): string {
  const verb = when === 'request' ? 'http-request return' : 'http-error';
  const outcome = code === 'outcome-unknown' ? 'unknown' : 'refused';
  const headers = [`hdr x-farshore-outcome ${outcome}`, 'hdr cache-control no-store'];
  if (status === 503) headers.push('hdr retry-after 1');
  const body = JSON.stringify({ code, why }).replaceAll('"', '\\"');
  return `  ${verb} status ${status} content-type application/json string "${body}\\n" ${headers.join(' ')}`;
}

const serverLine = (upstream: Upstream, words: readonly string[]): string =>
  [`  server ${upstream.region} ${upstream.host}:${upstream.port}`, 'maxconn 2048', ...words].join(' ');

const agentWords = ({ agent }: HaproxySetup, backend: string, region: PlaceId): readonly string[] =>
  agent === null
    ? []
    : [
        `agent-check agent-addr ${agent.host} agent-port ${agent.port} agent-inter 1s agent-send "${backend}/${region}\\n"`,
      ];

function upstreamOf({ upstreams }: HaproxySetup, region: PlaceId): Upstream {
  const found = upstreams.find((it) => it.region === region);
  assert(found !== undefined, `an audience has only regions that are reached: ${region}`);
  return found;
}
