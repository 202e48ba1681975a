import type { HaproxyAudience } from '../../ports/config.ts';
import type { CanaryPolicy } from '../../ports/routing.ts';
import type { HaproxySetup } from './config-file.ts';
import { CANARY, EVERYBODY, FENCED, LAST_RESORT, NOBODY, primaryKey, READS, readsOf, writesTo } from './names.ts';
import { argument, quote } from './words.ts';

/** Who is asking, and which backend that leads to. */
export function frontendSection(setup: HaproxySetup): readonly string[] {
  const isOne = setup.audiences.length === 1;
  const isShared = setup.audiences.some(({ tiers }) => tiers.some((tier) => tier.length > 1));
  const key = isOne ? `str(${primaryKey(EVERYBODY)})` : `str(${primaryKey('')}),concat(,txn.audience)`;
  return [
    'frontend users',
    `  bind ${setup.listen.host}:${setup.listen.port}`,
    '  acl safe method GET HEAD OPTIONS',
    ...(isOne && !isShared ? [] : clientLines(setup)),
    ...(isOne ? [] : audienceLines(setup)),
    `  http-request set-var(txn.primary) ${quote(`${key},map_str(${argument(setup.primaryMapPath)},${NOBODY})`)} unless safe`,
    '  http-request set-header x-forwarded-proto http',
    // Whose words about a replay these would be: nobody's, HAProxy sends nothing again.
    '  http-request del-header farshore-replay-src',
    '  option forwardfor',
    ...(isOne
      ? backendLines(setup, EVERYBODY, 'safe')
      : setup.audiences.flatMap((it) => backendLinesOf(setup, it.name))),
    ...(isOne ? [`  use_backend ${READS} if safe`] : [`  use_backend ${READS}-%[var(txn.audience)] if safe`]),
    ...setup.audiences.flatMap((it) => writesInside(setup, it)),
    '  use_backend writes-%[var(txn.primary)]',
    '  default_backend refused',
  ];
}

/** As many proxies in a row are believed; the one before them is the client. */
const PROXIES_MAX = 4;

/** The address of the client: the first one from the right behind proxies that are believed. A text that is no address changes nothing. */
function clientLines({ trust }: HaproxySetup): readonly string[] {
  const networks = trust?.networks ?? [];
  const hops = networks.length === 0 ? [] : Array.from({ length: PROXIES_MAX }, (_, i) => i + 1);
  const told = (hop: number): string => `req.hdr_ip(x-forwarded-for,-${hop})`;
  // One line a network: a line of HAProxy has no more than 64 words.
  const trusted = networks.flatMap((network) => [
    `  acl trusted src ${network}`,
    ...hops.slice(0, -1).map((hop) => `  acl proxy${hop} ${told(hop)} -m ip ${network}`),
  ]);
  const behind = hops.map((hop) => {
    const believed = hops.slice(0, hop - 1).map((before) => `proxy${before}`);
    return `  http-request set-var(txn.client) ${told(hop)} if ${['trusted', ...believed].join(' ')}`;
  });
  return ['  http-request set-var(txn.client) src', ...trusted, ...behind, ...CARRIED];
}

/** An address that only carries an IPv4 one is that one, as `canonical` has it everywhere else: mapped, NAT64, 6to4, Teredo. */
const CARRIED: readonly string[] = [
  { how: 'regsub(^::ffff:,,i)', of: null },
  { how: 'bytes(12,4),be2dec(.,1)', of: '64:ff9b::/96' },
  { how: 'bytes(2,4),be2dec(.,1)', of: '2002::/16' },
  { how: 'bytes(12,4),hex,hex2i,xor(4294967295)', of: '2001::/32' },
].map(({ how, of }) => {
  const set = `  http-request set-var(txn.client) ${quote(`var(txn.client),${how},ipmask(32,128)`)}`;
  return of === null ? set : `${set} if { var(txn.client) -m ip ${of} }`;
});

function audienceLines({ trust, placeMaps, routing, audiences }: HaproxySetup): readonly string[] {
  const [unmapped, elsewhere] = [audiences[0]?.name ?? '', elsewhereOf(audiences)];
  const canary = routing?.canary ?? null;
  const header = trust?.placeHeader ?? null;
  const set = '  http-request set-var(txn.audience)';
  const lines = [
    placeMaps === null
      ? `${set} str(${unmapped})`
      : `${set} ${quote(`var(txn.client),map_ip(${argument(placeMaps.networks)},${unmapped})`)}`,
  ];
  if (placeMaps !== null && header !== null && (trust?.networks.length ?? 0) > 0)
    lines.push(
      // Said once and alone: of two countries nobody knows which one is meant, and one of them may be free of fences (I11).
      `${set} ${quote(`req.fhdr(${header},-1),upper,map_str(${argument(placeMaps.countries)},${elsewhere})`)} if trusted { req.fhdr_cnt(${header}) eq 1 } { req.fhdr(${header},-1) -m reg ^[A-Za-z][A-Za-z]$ }`,
    );
  if (canary !== null) lines.push(...canaryAcl(canary), `${set} var(txn.audience),concat(${CANARY}) if canary`);
  return lines;
}

/** Countries that nobody names: the audience of `ELSEWHERE`, which is asked for right after that of unmapped clients. */
const elsewhereOf = (audiences: HaproxySetup['audiences']): string =>
  audiences.find(({ place }) => place.place === 'ZZ')?.name ?? audiences[0]?.name ?? '';

const canaryAcl = ({ header, cookie }: CanaryPolicy): readonly string[] =>
  [
    { fetch: 'req.fhdr', marked: header },
    { fetch: 'req.cook', marked: cookie },
  ].flatMap(({ fetch, marked }) => {
    if (marked === null) return [];
    const value = marked.value === null ? '-m found' : `-m str -- ${quote(marked.value)}`;
    return [`  acl canary ${quote(`${fetch}(${argument(marked.name)})`)} ${value}`];
  });

const backendLinesOf = (setup: HaproxySetup, name: string): readonly string[] =>
  backendLines(setup, name, `safe { var(txn.audience) -m str ${name} }`);

/** Whatever the map says, and whoever wrote it: no write leaves for a region that residency forbids the audience (I11). */
function writesInside({ upstreams }: HaproxySetup, { name, writes }: HaproxyAudience): readonly string[] {
  if (upstreams.every(({ region }) => writes.includes(region))) return [];
  const who = name === EVERYBODY ? '!safe' : `!safe { var(txn.audience) -m str ${name} }`;
  const inside = [...writes, NOBODY].join(' ');
  return [`  use_backend ${writesTo(FENCED)} if ${who} !{ var(txn.primary) -m str ${inside} }`];
}

/** Where an audience goes when all of its regions look dead: nowhere, if residency or the operator leave none to try. */
function backendLines({ audiences }: HaproxySetup, name: string, who: string): readonly string[] {
  const [reads, last] = [readsOf(name), `${readsOf(name)}${LAST_RESORT}`];
  const { tiers, lastResort } = audiences.find((it) => it.name === name) ?? { tiers: [], lastResort: [] };
  if (tiers.length === 0) return [`  use_backend ${writesTo(FENCED)} if ${who}`];
  if (lastResort.length === 0) return [];
  return [`  use_backend ${last} if ${who} { nbsrv(${reads}) eq 0 }`];
}
