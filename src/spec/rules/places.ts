import { placeId } from '../../base/ids.ts';
import type { Facts } from '../../facts/facts.ts';
import type { Draft } from '../draft.ts';
import { atField, atKey, atValue, didYouMean, type Field, type Finding } from '../finding.ts';
import { nearestRegion } from '../nearest.ts';

/** E20xx and P11.1: which places there are, and what is left after the loss of one. */
export function places(draft: Draft, facts: Facts): readonly Finding[] {
  return [
    ...unknownPlaces(draft, facts),
    ...samePlaces(draft),
    ...activeRegions(draft),
    ...idleSites(draft),
    ...storeSurvives(draft),
    ...observersSurvive(draft),
    ...idleWeights(draft),
  ];
}

function unknownPlaces(draft: Draft, facts: Facts): readonly Finding[] {
  const known: readonly string[] = [...facts.regions.keys()];
  const providers = [...new Set(known.map((id) => id.slice(0, id.indexOf(':'))))].join(', ');
  return [...(draft.regions ?? []), ...(draft.sites ?? [])].flatMap(({ id }) => {
    if (id === null || facts.regions.has(placeId(id.value))) return [];
    const guess = nearestRegion(id.value, known);
    const help = guess === null ? [`an id is provider:region; known providers: ${providers}`] : didYouMean(guess);
    return [{ code: 'E2001' as const, message: `unknown region "${id.value}"`, at: [atValue(id.path)], help }];
  });
}

function samePlaces(draft: Draft): readonly Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, { readonly id: Field<string>; readonly data: boolean }>();
  const visit = (id: Field<string> | null, data: boolean) => {
    if (id === null) return;
    const before = seen.get(id.value);
    if (before === undefined) {
      seen.set(id.value, { id, data });
      return;
    }
    const both = before.data !== data;
    findings.push({
      code: both ? 'E2003' : 'E2002',
      message: both
        ? `${id.value} is a data region, so it cannot be a site: losing it would take the data and a vote together (P11.1)`
        : `${id.value} is listed twice`,
      at: [
        atValue(id.path, both ? 'site here' : 'again here'),
        atValue(before.id.path, both ? 'data region here' : 'first here'),
      ],
    });
  };
  for (const region of draft.regions ?? []) visit(region.id, true);
  for (const site of draft.sites ?? []) visit(site.id, false);
  return findings;
}

function activeRegions(draft: Draft): readonly Finding[] {
  const { model, regions } = draft;
  if (model === null || regions === null || regions.some((region) => region.role === null)) return [];
  const active = regions.filter((region) => region.role?.value === 'active');
  const wanted = { 'active-passive': 'exactly one', 'active-active': 'two or more', global: 'three or more' }[
    model.value
  ];
  const fits = {
    'active-passive': active.length === 1,
    'active-active': active.length >= 2,
    global: active.length >= 3,
  };
  if (fits[model.value]) return [];
  const roles = regions.flatMap((region) => region.role ?? []).filter((role) => role.written);
  const disputed = model.value === 'active-passive' ? roles.filter((role) => role.value === 'active') : roles;
  return [
    {
      code: 'E2004',
      message: `model ${model.value} has ${wanted} active region${model.value === 'active-passive' ? '' : 's'}; this file has ${active.length}`,
      at: [
        atValue(model.path, 'asked here'),
        ...disputed.slice(-1).map((role) => atValue(role.path, `${role.value} here`)),
      ],
      help:
        model.value === 'active-passive' && active.length > 1
          ? ['use `model: active-active`, or make the others `role: passive`']
          : [],
    },
  ];
}

const idleSites = (draft: Draft): readonly Finding[] =>
  (draft.sites ?? [])
    .filter((site) => site.store?.value === false && site.witness?.value === false)
    .map((site) => ({
      code: 'E2006',
      message: 'this site neither holds the store nor is a witness: it does nothing',
      at: [atValue(site.path)],
      help: ['set `store: true` or `witness: true`, or remove it'],
    }));

/** P11.1: the store's majority outlives any one data region. One server has to be on a site; several are etcd, and an odd number. */
function storeSurvives(draft: Draft): readonly Finding[] {
  const { sites, regions } = draft;
  if (sites === null || regions === null || [...sites, ...regions].some((place) => place.store === null)) return [];
  const onSites = sites.flatMap((site) => (site.store?.value === true ? site.store : []));
  const inRegions = regions.flatMap((region) => (region.store?.value === true ? region.store : []));
  const members = [...onSites, ...inRegions];
  if (members.length === 3 || members.length === 5) return [];
  if (members.length > 1) return [storeSize(members)];
  if (onSites.length === 1) return [];
  const [inRegion] = inRegions;
  return [
    {
      code: 'E2101',
      message:
        inRegion === undefined
          ? 'no place holds the coordination store: nothing could agree on a new primary after the loss of a region (P11.1)'
          : 'the only member of the coordination store is in a data region: its loss takes the primary and the store together (P11.1)',
      at: [
        inRegion !== undefined
          ? atValue(inRegion.path)
          : sites.length > 0
            ? atKey(['sites'], 'none of these has `store: true`')
            : atKey(['regions'], 'no `sites` beside these'),
      ],
      help: [
        'add `store: true` to a site that is no data region: sites: [{ id: aws:eu-north-1, store: true }], or to three places, regions or sites',
      ],
    },
  ];
}

/** Two members outlive no loss at all, four no more than three; beyond five every write only waits for more of them. */
function storeSize(members: readonly Field<boolean>[]): Finding {
  const survives = Math.floor((members.length - 1) / 2);
  const why =
    members.length > 5
      ? 'every write waits for more of them and no loss is survived that five would not survive'
      : `the majority of ${members.length} survives the loss of ${survives}, as that of ${members.length - 1} does`;
  return {
    code: 'E2103',
    message: `the coordination store has ${members.length} members: ${why} (P11.1)`,
    at: members.slice(-1).map((member) => atValue(member.path, `number ${members.length}`)),
    help: ['set `store: true` on one site, or on three or five places in all'],
  };
}

/** Every agent observes, of a region or of a witness. Two must be left, or one blind observer could end a healthy primary. */
function observersSurvive(draft: Draft): readonly Finding[] {
  const { sites, regions } = draft;
  if (sites === null || regions === null || regions.length < 2 || sites.some((site) => site.witness === null))
    return [];
  const witnesses = sites.filter((site) => site.witness?.value === true).length;
  const left = regions.length - 1 + witnesses;
  if (left >= 2) return [];
  return [
    {
      code: 'E2102',
      message: `after the loss of one region ${left} observer is left; two must agree before a primary is replaced (P11.1)`,
      at: [
        atKey(['regions'], `${regions.length} data regions`),
        ...sites.flatMap((site) => (site.witness === null ? [] : atField(site.witness, 'not a witness'))),
      ],
      help: ['name a witness site: sites: [{ id: aws:eu-north-1, store: true, witness: true }]'],
    },
  ];
}

const idleWeights = (draft: Draft): readonly Finding[] =>
  (draft.regions ?? []).flatMap(({ role, weight }) =>
    role?.value === 'passive' && weight?.written === true
      ? [
          {
            code: 'N3003' as const,
            message: 'a passive region serves no users, so its weight has no effect',
            at: atField(weight),
          },
        ]
      : [],
  );
