import type { PlaceId } from '../../base/ids.ts';

/** What HAProxy is told once, when it starts. Everything that changes at run time goes through maps, server states and agent checks. */
export interface HaproxySetup {
  readonly place: PlaceId;
  readonly listen: { readonly host: string; readonly port: number };
  /** Unix socket with level admin: what Farshore changes at run time. */
  readonly runtimeSocketPath: string;
  /** A file with one line `primary REGION`: HAProxy reads it when it starts, the runtime socket changes it later. */
  readonly primaryMapPath: string;
  /** Answers `ready`, `drain` or `maint` for a region; null: only the runtime socket is used. */
  readonly agent: { readonly host: string; readonly port: number } | null;
  readonly healthPath: string;
  readonly upstreams: readonly Upstream[];
  /** Threads of HAProxy; null: one for each core. */
  readonly threads: number | null;
}

export interface Upstream {
  readonly region: PlaceId;
  readonly host: string;
  readonly port: number;
  readonly rttMs: number;
}

/** Backends that other code speaks about. A server is named after its region. */
export const READS = 'reads';
export const LAST_RESORT = 'reads-last-resort';
/** The value of `primary` in the map while nobody may accept writes. */
export const NOBODY = 'none';
export const writesTo = (region: PlaceId): string => `writes-${region}`;

/**
 * HAProxy's configuration (2.6 and later) for one place. Reads go to the nearest region that is up, may serve and has room; a
 * failed try is made again elsewhere. Writes go to the region that the map calls primary, are sent once, and are refused while it names nobody. When every region looks dead, reads are tried anyway, nearest first (I12).
 */
export function haproxyConfig(setup: HaproxySetup): string {
  const away = ({ region }: Upstream): number => Number(region !== setup.place);
  // Without distance the own region still is the nearest: no other place's loss may reach its users.
  const nearestFirst = setup.upstreams.toSorted(
    (a, b) => a.rttMs - b.rttMs || away(a) - away(b) || (a.region < b.region ? -1 : 1),
  );
  return [
    `# Made by Farshore for ${setup.place}; written again when its places or addresses change.`,
    ...globalSection(setup),
    ...defaultsSection(setup),
    ...frontendSection(setup),
    ...readsSection(setup, nearestFirst),
    ...lastResortSection(setup, nearestFirst),
    ...setup.upstreams.flatMap(writesSection),
    ...refusedSection(),
    '',
  ].join('\n');
}

const globalSection = (setup: HaproxySetup): readonly string[] => [
  'global',
  `  stats socket ${quote(setup.runtimeSocketPath)} mode 600 level admin expose-fd listeners`,
  '  hard-stop-after 10s',
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
  '  option httpchk',
  `  http-check send meth GET uri ${quote(setup.healthPath)} ver HTTP/1.1 hdr Host ${setup.place.replaceAll(':', '.')}`,
  '  http-check expect rstatus ^2',
  '  default-server check inter 1s fastinter 250ms downinter 500ms fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down',
];

const frontendSection = (setup: HaproxySetup): readonly string[] => [
  'frontend users',
  `  bind ${setup.listen.host}:${setup.listen.port}`,
  '  acl safe method GET HEAD OPTIONS',
  `  http-request set-var(txn.primary) ${quote(`str(primary),map_str(${argument(setup.primaryMapPath)},${NOBODY})`)} unless safe`,
  '  http-request set-header x-forwarded-proto http',
  '  option forwardfor',
  `  use_backend ${LAST_RESORT} if safe { nbsrv(${READS}) eq 0 }`,
  `  use_backend ${READS} if safe`,
  '  use_backend writes-%[var(txn.primary)]',
  '  default_backend refused',
];

/**
 * What a safe request is tried again for, each time on another server: `balance first` takes the nearest that was not the last one tried.
 * Backups would not do: they are left alone while the nearest counts as up, and a try that fails after it was connected doesn't count
 * against it (HAProxy's `observe` sees a request's last try only).
 */
const RETRIED = 'conn-failure empty-response response-timeout 0rtt-rejected 502 503';

function readsSection(setup: HaproxySetup, nearestFirst: readonly Upstream[]): readonly string[] {
  return [
    `backend ${READS}`,
    // A connection that an earlier request left may be dead by now: safe requests are tried again, so they may use any.
    '  http-reuse always',
    '  timeout server 2s',
    '  balance first',
    '  retries 10',
    `  retry-on ${RETRIED}`,
    `  http-response set-header x-farshore-region %[srv_name]`,
    ...nearestFirst.map((it) => serverLine(it, agentWords(setup, it))),
  ];
}

/** No checks: health takes nothing away here, only what the operator and the roles say. Tried in turn. */
const lastResortSection = (setup: HaproxySetup, nearestFirst: readonly Upstream[]): readonly string[] => [
  `backend ${LAST_RESORT}`,
  '  timeout server 2s',
  '  balance first',
  '  retries 10',
  `  retry-on ${RETRIED}`,
  '  http-response set-header x-farshore-region %[srv_name]',
  ...nearestFirst.map((it) => serverLine(it, ['no-check', ...agentWords(setup, it)])),
];

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

const refusedSection = (): readonly string[] => [
  'backend refused',
  ownAnswer('request', 503, 'refused', 'nobody may accept writes now; nothing was sent'),
];

function ownAnswer(when: 'request' | 'error', status: number, code: string, why: string): string {
  const verb = when === 'request' ? 'http-request return' : 'http-error';
  const outcome = code === 'refused' ? 'refused' : 'unknown';
  const headers = [`hdr x-farshore-outcome ${outcome}`, 'hdr cache-control no-store'];
  if (status === 503) headers.push('hdr retry-after 1');
  const body = JSON.stringify({ code, why }).replaceAll('"', '\\"');
  return `  ${verb} status ${status} content-type application/json string "${body}\\n" ${headers.join(' ')}`;
}

const serverLine = (upstream: Upstream, words: readonly string[]): string =>
  [`  server ${upstream.region} ${upstream.host}:${upstream.port}`, 'maxconn 2048', ...words].join(' ');

const agentWords = ({ agent }: HaproxySetup, { region }: Upstream): readonly string[] =>
  agent === null
    ? []
    : [`agent-check agent-addr ${agent.host} agent-port ${agent.port} agent-inter 1s agent-send "${region}\\n"`];

/** A word of a configuration line: spaces, quotes and what HAProxy expands are made harmless. */
const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** One argument of a converter. The line is taken apart first, then its arguments: this is the inner of the two. */
const argument = (text: string): string => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
