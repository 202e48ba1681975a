import type { z } from 'zod';
import { KNOBS, type KnobName } from '../base/knobs.ts';
import { deploymentFile, type DNS_TYPES, TIMINGS } from './file-schema.ts';
import { parseDuration } from './duration.ts';
import type { Field } from './finding.ts';
import { parseSize } from './size.ts';
import { valueAt } from './shape.ts';
import type { TrafficSection } from './traffic-schema.ts';
import type { Path } from './source.ts';

type EdgeTlsSection = NonNullable<File['edge']>['tls'];

/**
 * The file with its defaults, before the rules. A part that does not have its shape is null: its error is reported
 * already, and rules about it are passed over, so that the other rules can still speak.
 */
export interface Draft {
  readonly name: Field<string> | null;
  readonly model: Field<File['model']> | null;
  readonly tier: Field<NonNullable<File['tier']>> | null;
  readonly rtoMs: Field<number> | null;
  readonly rpoMs: Field<number> | null;
  readonly regions: readonly RegionDraft[] | null;
  readonly sites: readonly SiteDraft[] | null;
  readonly residency: readonly ResidencyDraft[] | null;
  readonly mode: Field<Replication['mode']> | null;
  readonly confirm: Field<number | null> | null;
  readonly whenAlone: Field<Replication['whenAlone']> | null;
  readonly rpoWhileDegradedMs: Field<number | null> | null;
  readonly guard: Field<'block' | 'none'> | null;
  readonly maxLossBytes: Field<number | null> | null;
  readonly leaseTtlMs: Field<number> | null;
  /** Every knob but the lease: what the file sets, or the default. */
  readonly timings: ReadonlyMap<KnobName, Field<number>>;
  /** Null when it does not have its shape; empty when the file has none. */
  readonly traffic: TrafficSection | null;
  /** Null without one, and when it does not have its shape. */
  readonly edgeTls: EdgeTlsSection | null;
  readonly application: { readonly command: readonly string[]; readonly healthPath: string } | null;
  readonly dns: DnsDraft | null;
}

type File = z.output<typeof deploymentFile>;
type Replication = NonNullable<File['database']>['replication'];

export interface RegionDraft {
  readonly path: Path;
  readonly id: Field<string> | null;
  readonly role: Field<'active' | 'passive'> | null;
  readonly weight: Field<number> | null;
  readonly capacity: Field<number | null> | null;
  readonly control: Field<'owned' | 'attached' | 'managed' | 'observe'> | null;
  readonly nodes: Field<number> | null;
  readonly store: Field<boolean> | null;
}

export interface SiteDraft {
  readonly path: Path;
  readonly id: Field<string> | null;
  readonly store: Field<boolean> | null;
  readonly witness: Field<boolean> | null;
}

export interface DnsDraft {
  readonly zone: Field<string> | null;
  readonly hosts: readonly Field<string>[];
  readonly ttlMs: Field<number> | null;
  readonly alpn: readonly string[];
  readonly records: readonly RecordDraft[];
}

export interface RecordDraft {
  readonly name: Field<string> | null;
  readonly type: Field<(typeof DNS_TYPES)[number]> | null;
  readonly value: Field<string> | null;
}

export interface ResidencyDraft {
  readonly name: Field<string> | null;
  readonly jurisdiction: Field<string> | null;
}

/** What a tier promises when the file names no objectives, and what it must stay below (mission F4). */
export const TIERS = {
  critical: { rtoMs: 30_000, rpoMs: 0, rtoBelowMs: 60_000, rpoBelowMs: 1 },
  high: { rtoMs: 300_000, rpoMs: 30_000, rtoBelowMs: 900_000, rpoBelowMs: 60_000 },
} as const;

const top = deploymentFile.shape;
const region = top.regions.unwrap().element.shape;
const site = top.sites.unwrap().element.shape;
const rule = top.residency.unwrap().element.shape;
const database = top.database.unwrap().shape;
const replication = database.replication.shape;

export function draftOf(root: unknown): Draft {
  const model = read(root, ['model'], top.model);
  const tier = or(read(root, ['tier'], top.tier), 'critical' as const);
  const promise = tier === null ? null : tier.value === 'high' ? TIERS.high : TIERS.critical;
  const objectives = top.objectives.unwrap().shape;
  const inReplication = <S extends z.ZodType>(key: string, schema: S) =>
    read(root, ['database', 'replication', key], schema);
  return {
    name: read(root, ['name'], top.name),
    model,
    tier,
    rtoMs: promise && or(ms(read(root, ['objectives', 'rto'], objectives.rto)), promise.rtoMs),
    rpoMs: promise && or(ms(read(root, ['objectives', 'rpo'], objectives.rpo)), promise.rpoMs),
    regions: each(root, ['regions'], (path, index) => regionDraft(root, path, index, model?.value ?? null)),
    sites: valueAt(root, ['sites']) === undefined ? [] : each(root, ['sites'], (path) => siteDraft(root, path)),
    residency:
      valueAt(root, ['residency']) === undefined
        ? []
        : each(root, ['residency'], (path) => ({
            name: read(root, [...path, 'name'], rule.name),
            jurisdiction: read(root, [...path, 'jurisdiction'], rule.jurisdiction),
          })),
    mode: inReplication('mode', replication.mode),
    confirm: or(inReplication('confirm', replication.confirm), null),
    whenAlone: inReplication('whenAlone', replication.whenAlone),
    rpoWhileDegradedMs: or(ms(inReplication('rpoWhileDegraded', replication.rpoWhileDegraded)), null),
    guard: or(inReplication('guard', replication.guard), 'none'),
    maxLossBytes: or(bytes(inReplication('maxLoss', replication.maxLoss)), null),
    leaseTtlMs: or(ms(read(root, ['database', 'lease'], database.lease)), KNOBS.leaseTtlMs.value),
    timings: timingsOf(root),
    traffic: trafficOf(root),
    edgeTls: edgeTlsOf(root),
    application: applicationOf(root),
    dns: dnsOf(root),
  };
}

function regionDraft(root: unknown, path: Path, index: number, model: File['model'] | null): RegionDraft {
  const standsBy = model === 'active-passive' && index > 0;
  return {
    path,
    id: read(root, [...path, 'id'], region.id),
    role: model && or(read(root, [...path, 'role'], region.role), standsBy ? 'passive' : 'active'),
    weight: or(read(root, [...path, 'weight'], region.weight), 1),
    capacity: or(read(root, [...path, 'capacity'], region.capacity), null),
    control: or(read(root, [...path, 'control'], region.control), 'owned'),
    nodes: or(read(root, [...path, 'nodes'], region.nodes), 1),
    store: or(read(root, [...path, 'store'], region.store), false),
  };
}

const siteDraft = (root: unknown, path: Path): SiteDraft => ({
  path,
  id: read(root, [...path, 'id'], site.id),
  store: or(read(root, [...path, 'store'], site.store), false),
  witness: or(read(root, [...path, 'witness'], site.witness), true),
});

function timingsOf(root: unknown): ReadonlyMap<KnobName, Field<number>> {
  const timings = new Map<KnobName, Field<number>>();
  for (const { key, knob } of TIMINGS) {
    const schema = top.timings.unwrap().shape[key];
    const field = schema === undefined ? null : or(ms(read(root, ['timings', key], schema)), KNOBS[knob].value);
    if (field !== null) timings.set(knob, field);
  }
  return timings;
}

function trafficOf(root: unknown): Draft['traffic'] {
  const parsed = top.traffic.safeParse(valueAt(root, ['traffic']));
  return parsed.success ? (parsed.data ?? {}) : null;
}

function edgeTlsOf(root: unknown): EdgeTlsSection | null {
  const parsed = top.edge.safeParse(valueAt(root, ['edge']));
  return parsed.success ? (parsed.data?.tls ?? null) : null;
}

function applicationOf(root: unknown): Draft['application'] {
  const parsed = top.application.safeParse(valueAt(root, ['application']));
  if (!parsed.success || parsed.data === undefined) return null;
  return { command: parsed.data.command, healthPath: parsed.data.health ?? '/healthz' };
}

const dns = top.dns.unwrap().shape;
const DNS_HOSTS = ['@', 'www'];
const DNS_TTL_MS = 20_000;

function dnsOf(root: unknown): DnsDraft | null {
  if (valueAt(root, ['dns']) === undefined) return null;
  const host = dns.hosts.unwrap().element;
  const record = dns.records.unwrap().element.shape;
  const written = each(root, ['dns', 'hosts'], (path) => read(root, path, host));
  const hosts = written ?? DNS_HOSTS.map((value) => ({ value, path: ['dns', 'hosts'], written: false }));
  return {
    zone: read(root, ['dns', 'zone'], dns.zone),
    hosts: hosts.filter((field) => field !== null),
    ttlMs: or(ms(read(root, ['dns', 'ttl'], dns.ttl)), DNS_TTL_MS),
    alpn: read(root, ['dns', 'alpn'], dns.alpn)?.value ?? [],
    records:
      each(root, ['dns', 'records'], (path) => ({
        name: read(root, [...path, 'name'], record.name),
        type: read(root, [...path, 'type'], record.type),
        value: read(root, [...path, 'value'], record.value),
      })) ?? [],
  };
}

function read<S extends z.ZodType>(root: unknown, path: Path, schema: S): Field<z.output<S>> | null {
  const raw = valueAt(root, path);
  const parsed = schema.safeParse(raw);
  return parsed.success ? { value: parsed.data, path, written: raw !== undefined } : null;
}

const or = <T, D>(field: Field<T | undefined> | null, fallback: D): Field<T | D> | null =>
  field && { ...field, value: field.value ?? fallback };

const ms = (field: Field<string | undefined> | null): Field<number | undefined> | null =>
  field && { ...field, value: field.value === undefined ? undefined : (parseDuration(field.value) ?? undefined) };

const bytes = (field: Field<string | undefined> | null): Field<number | undefined> | null =>
  field && { ...field, value: field.value === undefined ? undefined : (parseSize(field.value) ?? undefined) };

function each<T>(root: unknown, path: Path, make: (path: Path, index: number) => T): readonly T[] | null {
  const list = valueAt(root, path);
  return Array.isArray(list) ? list.map((_, index) => make([...path, index], index)) : null;
}
