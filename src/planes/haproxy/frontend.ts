import type { CanaryPolicy } from '../../ports/routing.ts';
import type { HaproxySetup } from './config-file.ts';
import { EVERYBODY, FENCED, LAST_RESORT, NOBODY, primaryKey, READS, readsOf, writesTo } from './names.ts';
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
    '  use_backend writes-%[var(txn.primary)]',
    '  default_backend refused',
  ];
}

/** The address of the client, or of who is behind a proxy that is believed. A text that is no address changes nothing. */
function clientLines({ trust }: HaproxySetup): readonly string[] {
  return [
    '  http-request set-var(txn.client) src',
    ...(trust === null || trust.networks.length === 0
      ? []
      : [
          `  acl trusted src ${trust.networks.join(' ')}`,
          '  http-request set-var(txn.client) req.hdr_ip(x-forwarded-for,-1) if trusted',
        ]),
  ];
}

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
      `${set} ${quote(`req.hdr(${header}),upper,map_str(${argument(placeMaps.countries)},${elsewhere})`)} if trusted { req.hdr(${header}) -m reg ^[A-Za-z][A-Za-z]$ }`,
    );
  if (canary !== null) lines.push(...canaryAcl(canary), `${set} var(txn.audience),concat(c) if canary`);
  return lines;
}

/** Countries that nobody names: the audience of `ELSEWHERE`, which is asked for right after that of unmapped clients. */
const elsewhereOf = (audiences: HaproxySetup['audiences']): string =>
  audiences.find(({ place }) => place.place === 'ZZ')?.name ?? audiences[0]?.name ?? '';

const canaryAcl = ({ header, cookie }: CanaryPolicy): readonly string[] =>
  [
    { fetch: 'req.hdr', marked: header },
    { fetch: 'req.cook', marked: cookie },
  ].flatMap(({ fetch, marked }) => {
    if (marked === null) return [];
    const value = marked.value === null ? '-m found' : `-m str ${quote(marked.value)}`;
    return [`  acl canary ${fetch}(${marked.name}) ${value}`];
  });

const backendLinesOf = (setup: HaproxySetup, name: string): readonly string[] =>
  backendLines(setup, name, `safe { var(txn.audience) -m str ${name} }`);

/** Where an audience goes when all of its regions look dead: nowhere, if residency or the operator leave none to try. */
function backendLines({ audiences }: HaproxySetup, name: string, who: string): readonly string[] {
  const [reads, last] = [readsOf(name), `${readsOf(name)}${LAST_RESORT}`];
  const { tiers, lastResort } = audiences.find((it) => it.name === name) ?? { tiers: [], lastResort: [] };
  if (tiers.length === 0) return [`  use_backend ${writesTo(FENCED)} if ${who}`];
  if (lastResort.length === 0) return [];
  return [`  use_backend ${last} if ${who} { nbsrv(${reads}) eq 0 }`];
}
