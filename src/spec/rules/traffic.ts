import { parseNetwork } from '../../base/address.ts';
import { placeId } from '../../base/ids.ts';
import { CONTINENTS } from '../../facts/continents.ts';
import type { Facts } from '../../facts/facts.ts';
import { jurisdictions } from '../../facts/residency.ts';
import type { Draft } from '../draft.ts';
import { atField, atValue, didYouMean, type Finding } from '../finding.ts';
import { nearest, nearestRegion } from '../nearest.ts';
import type { Path } from '../source.ts';
import { defaultPolicies, expand, inside } from '../traffic.ts';
import type { TrafficSection } from '../traffic-schema.ts';

/** E251x: where users go, and that there is always somewhere to go (I11, I12). */
export function traffic(draft: Draft, facts: Facts): readonly Finding[] {
  const { traffic: section } = draft;
  if (section === null) return [];
  const words = { known: knownWords(section, facts), open: section.geolocation?.database !== undefined };
  return [
    ...regionLists(draft, section),
    ...placeWords(section, facts, words),
    ...policyOrder(section),
    ...networks(section),
    ...zeroRegions(draft, section, facts),
    ...staticList(section),
    ...tlsName(draft, section),
    ...deepCheck(draft, section),
    ...sameHosts(draft, section),
    ...withoutEffect(draft, section),
  ];
}

const AT = (...rest: Path): Path => ['traffic', ...rest];

/** Every list of regions in the section, with where it is. */
function listsOf(section: TrafficSection): readonly { readonly path: Path; readonly ids: readonly string[] }[] {
  const { geolocation, failover, canary } = section;
  const lists = [
    ...(geolocation?.rules ?? []).map((rule, i) => ({
      path: AT('geolocation', 'rules', i, 'regions'),
      ids: rule.regions,
    })),
    { path: AT('geolocation', 'otherwise'), ids: geolocation?.otherwise },
    { path: AT('failover', 'order'), ids: failover?.order },
    { path: AT('canary', 'regions'), ids: canary?.regions },
    { path: AT('static'), ids: section.static },
  ];
  return lists.flatMap(({ path, ids }) => (ids === undefined ? [] : [{ path, ids }]));
}

function regionLists(draft: Draft, section: TrafficSection): readonly Finding[] {
  if (draft.regions === null || draft.regions.some((region) => region.id === null)) return [];
  const known = draft.regions.map((region) => region.id?.value ?? '');
  return listsOf(section).flatMap(({ path, ids }) =>
    ids.flatMap((id, index): readonly Finding[] => {
      const at = [atValue([...path, index])];
      if (!known.includes(id)) {
        const guess = nearestRegion(id, known);
        const help = guess === null ? [`the regions of this file: ${known.join(', ')}`] : didYouMean(guess);
        return [{ code: 'E2511', message: `"${id}" is no region of this file`, at, help }];
      }
      if (ids.indexOf(id) < index) return [{ code: 'E2513', message: `${id} is listed twice`, at }];
      return [];
    }),
  );
}

interface Words {
  readonly known: readonly string[];
  /** A database of the operator's own may hold any name. */
  readonly open: boolean;
}

/** Words that mean a place: countries, blocs, continents, and the names that `networks` give. */
function knownWords(section: TrafficSection, facts: Facts): readonly string[] {
  const own = (section.geolocation?.networks ?? []).map((each) => each.place);
  const countries = CONTINENTS.flatMap((continent) => expand(continent, facts));
  return [...new Set([...CONTINENTS, ...jurisdictions(facts), ...countries, ...own])];
}

function placeWords(section: TrafficSection, facts: Facts, words: Words): readonly Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, Path>();
  for (const [index, rule] of (section.geolocation?.rules ?? []).entries()) {
    for (const [at, word] of rule.places.entries()) {
      const path = AT('geolocation', 'rules', index, 'places', at);
      findings.push(...unknownWord(word, path, words));
      const before = seen.get(word);
      if (before === undefined) seen.set(word, path);
      else {
        const message = `"${word}" is in two rules: only one can decide`;
        findings.push({ code: 'E2513', message, at: [atValue(path, 'again here'), atValue(before, 'first here')] });
      }
    }
  }
  const laws = jurisdictions(facts);
  for (const [index, fence] of (section.fences ?? []).entries()) {
    for (const [at, word] of fence.users.entries()) {
      findings.push(...unknownWord(word, AT('fences', index, 'users', at), { known: words.known, open: false }));
    }
    if (!laws.includes(fence.within)) {
      const message = `unknown jurisdiction "${fence.within}"`;
      const help = didYouMean(nearest(fence.within, laws));
      findings.push({ code: 'E2512', message, at: [atValue(AT('fences', index, 'within'))], help });
    }
  }
  return findings;
}

const ALIASES: Readonly<Record<string, string>> = {
  UK: 'GB',
  USA: 'US',
  'south-america': 'latin-america',
  america: 'north-america',
};

function unknownWord(word: string, path: Path, { known, open }: Words): readonly Finding[] {
  if (known.includes(word) || (open && /^[a-z]/.test(word))) return [];
  const guess =
    ALIASES[word] ??
    known.find((each) => each.toLowerCase() === word.toLowerCase()) ??
    nearest(
      word,
      known.filter((each) => each.length > 2),
    );
  const help = guess === null ? [`a country in two letters, EU, EEA, or ${CONTINENTS.join(', ')}`] : didYouMean(guess);
  return [{ code: 'E2512', message: `unknown place "${word}"`, at: [atValue(path)], help }];
}

/** `weighted` and `failover` leave no two regions equal, so nothing behind them could decide anything. */
function policyOrder({ policies = [] }: TrafficSection): readonly Finding[] {
  return policies.flatMap((policy, index): readonly Finding[] => {
    const at = [atValue(AT('policies', index))];
    if (policies.indexOf(policy) < index) return [{ code: 'E2514', message: `${policy} is listed twice`, at }];
    const last = policies.slice(0, index).find((each) => each === 'weighted' || each === 'failover');
    if (last === undefined) return [];
    const message = `${last} decides between any two regions, so ${policy} behind it has nothing left to decide`;
    return [{ code: 'E2514', message, at, help: [`put ${policy} before ${last}, or leave one of them out`] }];
  });
}

const networks = (section: TrafficSection): readonly Finding[] =>
  (section.geolocation?.networks ?? []).flatMap(({ network }, index): readonly Finding[] => {
    if (parseNetwork(network) !== null) return [];
    const message = `"${network}" is no network: an address, a slash and how many of its bits count, the others 0`;
    const at = [atValue(AT('geolocation', 'networks', index, 'network'))];
    return [{ code: 'E2516', message, at, help: ['for example 203.0.113.0/24 or 2001:db8::/32'] }];
  });

/** I12: nobody may be left without any region by what the file says. */
function zeroRegions(draft: Draft, section: TrafficSection, facts: Facts): readonly Finding[] {
  const { regions, model } = draft;
  if (regions === null || model === null || regions.some(({ id, weight }) => id === null || weight === null)) return [];
  const findings: Finding[] = [];
  const policies = section.policies ?? defaultPolicies(model.value);
  const active = regions.filter((region) => region.role?.value === 'active');
  if (policies.includes('weighted') && active.length > 0 && active.every((region) => region.weight?.value === 0)) {
    findings.push({
      code: 'E2515',
      message: 'every active region has weight 0: no user would be served anywhere (I12)',
      at: active.flatMap((region) => (region.weight === null ? [] : atField(region.weight))),
      help: ['give one of them a weight of 1 or more'],
    });
  }
  for (const [index, fence] of (section.fences ?? []).entries()) {
    const served = active.some((region) => inside(facts, fence.within, placeId(region.id?.value ?? '')));
    if (served || !jurisdictions(facts).includes(fence.within)) continue;
    findings.push({
      code: 'E2515',
      message: `"${fence.name}" leaves its users no region: no active region of this file is in ${fence.within} (I11, I12)`,
      at: [atValue(AT('fences', index, 'within'))],
      help: [`add a region in ${fence.within}, or take the fence away`],
    });
  }
  return findings;
}

/** A handshake for no name would prove nothing about the certificate. */
function tlsName({ edgeTls }: Draft, { hosts, health }: TrafficSection): readonly Finding[] {
  const { check, host = hosts?.[0] } = health?.address ?? {};
  if (check !== 'tls') {
    if (health?.address?.host === undefined) return [];
    const message = '`host` has an effect only with `check: tls`';
    return [{ code: 'N3003', message, at: [atValue(AT('health', 'address', 'host'))] }];
  }
  if (host !== undefined) {
    if (edgeTls !== null) return [];
    const message =
      'without `edge.tls` the edges that `farshore up` starts speak plain HTTP: in a world this check finds every region unhealthy, and DNS goes by `whenAllUnhealthy`';
    return [
      {
        code: 'N3005',
        message,
        at: [atValue(AT('health', 'address', 'check'))],
        help: ['edge: { tls: { certificates: [{ cert: shop.pem, key: shop.key }] } }'],
      },
    ];
  }
  const message = '`check: tls` needs the name that the certificate must be for';
  return [{ code: 'E2518', message, at: [atValue(AT('health', 'address'))], help: ['host: shop.example'] }];
}

/** A deep check that asks what the shallow one asks would say nothing new, and let a fault of the database take every region away. */
function deepCheck({ application }: Draft, { health }: TrafficSection): readonly Finding[] {
  const deep = health?.deep;
  if (deep === undefined) return [];
  const [unused, why] = deep.check === 'http' ? (['within', 'commit'] as const) : (['path', 'http'] as const);
  if (deep[unused] !== undefined) {
    const message = `\`${unused}\` has an effect only with \`check: ${why}\``;
    return [{ code: 'N3003', message, at: [atValue(AT('health', 'deep', unused))] }];
  }
  if (deep.check === 'commit') return [];
  if (deep.path === undefined) {
    const message = '`check: http` needs the path at which the application says whether it can write';
    return [{ code: 'E2519', message, at: [atValue(AT('health', 'deep'))], help: ['path: /healthz/deep'] }];
  }
  if (deep.path !== application?.healthPath) return [];
  const message = `${deep.path} is what the shallow checks ask too: a fault of the database would take every region away, also for reads`;
  return [{ code: 'E2520', message, at: [atValue(AT('health', 'deep', 'path'))], help: ['path: /healthz/deep'] }];
}

/** What DNS leads and what `why --host` and the edges' certificates are asked for should be the same names. */
function sameHosts({ dns }: Draft, { hosts }: TrafficSection): readonly Finding[] {
  if (dns === null || dns.zone === null || hosts === undefined) return [];
  const zone = dns.zone.value;
  const led = dns.hosts.map((host) => (host.value === '@' ? zone : `${host.value}.${zone}`));
  const unled = hosts.filter((host) => !led.includes(host));
  const unknown = led.filter((host) => !hosts.includes(host));
  const told = [
    ...(unled.length === 0 ? [] : [`the DNS server leads nobody to ${unled.join(', ')}`]),
    ...(unknown.length === 0
      ? []
      : [`\`traffic.hosts\` does not have ${unknown.join(', ')}, which the DNS server leads`]),
  ];
  if (told.length === 0) return [];
  return [{ code: 'N3004', message: told.join('; '), at: [atValue(AT('hosts'))] }];
}

function staticList(section: TrafficSection): readonly Finding[] {
  const isStatic = section.whenAllUnhealthy === 'static';
  if (isStatic && section.static === undefined) {
    const message = '`whenAllUnhealthy: static` needs the regions to be used then';
    return [{ code: 'E2517', message, at: [atValue(AT('whenAllUnhealthy'))], help: ['static: [aws:eu-west-1]'] }];
  }
  if (isStatic || section.static === undefined) return [];
  const message = '`static` has an effect only with `whenAllUnhealthy: static`';
  return [{ code: 'N3003', message, at: [atValue(AT('static'))] }];
}

function withoutEffect(draft: Draft, section: TrafficSection): readonly Finding[] {
  const { model } = draft;
  if (model === null) return [];
  const policies = section.policies ?? defaultPolicies(model.value);
  const findings: Finding[] = [];
  const note = (message: string, path: Path) => findings.push({ code: 'N3003', message, at: [atValue(path)] });
  if (section.geolocation?.rules !== undefined && !policies.includes('geolocation'))
    note('`geolocation.rules` have an effect only with the policy geolocation', AT('geolocation', 'rules'));
  if (section.latency !== undefined && !policies.includes('latency'))
    note('`latency` has an effect only with the policy latency', AT('latency'));
  if (section.canary !== undefined && section.canary.header === undefined && section.canary.cookie === undefined)
    note('a canary without `header` and `cookie` gets no request', AT('canary'));
  if (model.value === 'active-passive' && policies.some((policy) => policy !== 'failover'))
    note(
      'with active-passive everything goes to the region of the primary; only `failover` says where else',
      AT('policies'),
    );
  if (model.value !== 'active-passive' && !policies.includes('weighted'))
    for (const { role, weight } of draft.regions ?? [])
      if (role?.value === 'active' && weight?.written === true)
        findings.push({
          code: 'N3003',
          message: '`weight` has an effect only with the traffic policy `weighted`',
          at: atField(weight),
          help: ['traffic: { policies: [weighted] }'],
        });
  return findings;
}
