import { placeId } from '../base/ids.ts';
import type { KnobName } from '../base/knobs.ts';
import { assert, err, ok, type Result } from '../base/result.ts';
import type { Facts } from '../facts/facts.ts';
import { byPosition, type Diagnostic } from './diagnostic.ts';
import type { Deployment, DnsSpec, RegionSpec } from './deployment.ts';
import { draftOf, type DnsDraft, type Draft, type RegionDraft } from './draft.ts';
import { toDiagnostic, type Field } from './finding.ts';
import { dnsRecords } from './rules/dns.ts';
import { notBuilt } from './rules/not-built.ts';
import { planning, runnable } from './rules/planning.ts';
import { places } from './rules/places.ts';
import { replication } from './rules/replication.ts';
import { residency } from './rules/residency.ts';
import { timing } from './rules/timing.ts';
import { traffic } from './rules/traffic.ts';
import { checkShape } from './shape.ts';
import { openSource } from './source.ts';
import { resolveTraffic } from './traffic.ts';

export interface ParsedDeployment {
  readonly deployment: Deployment;
  /** True things worth saying about a valid file: when its promise is void, settings without effect. */
  readonly notes: readonly Diagnostic[];
}

/**
 * Read a deployment file: every default filled in, every rule checked. `fileName` is only for the diagnostics.
 * On failure: the first syntax error, or every error of shape and of meaning, in the order of the file.
 */
export function parseDeployment(
  text: string,
  fileName: string,
  facts: Facts,
): Result<ParsedDeployment, readonly Diagnostic[]> {
  const opened = openSource(text);
  if (!opened.ok) {
    const { message, mark } = opened.error;
    return err([{ severity: 'error', code: 'E1001', file: fileName, message, marks: [mark], help: [] }]);
  }
  const source = opened.value;
  const draft = draftOf(source.value);
  const findings = [
    ...checkShape(source.value),
    ...runnable(source.value),
    ...notBuilt(draft),
    ...places(draft, facts),
    ...replication(draft),
    ...timing(draft),
    ...residency(draft, facts),
    ...dnsRecords(draft),
    ...traffic(draft, facts),
    ...planning(source.value, facts),
  ];
  const diagnostics = findings.map((finding) => toDiagnostic(finding, source, fileName)).toSorted(byPosition);
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  return errors.length > 0 ? err(diagnostics) : ok({ deployment: build(draft, facts), notes: diagnostics });
}

/** Only for a draft without errors: every part is there. */
function build(draft: Draft, facts: Facts): Deployment {
  const drafts = sure(draft.regions, 'regions');
  const regions = drafts
    .map(buildRegion)
    .toSorted((a, b) => Number(a.role === 'passive') - Number(b.role === 'passive'));
  const tier = value(draft.tier, 'tier');
  const mode = value(draft.mode, 'mode');
  assert(tier === 'critical' || tier === 'high', 'a tier that is built');
  const standbys = regions.length - 1;
  const confirm = mode === 'async' ? 0 : mode === 'sync' ? standbys : (value(draft.confirm, 'confirm') ?? 1);
  return {
    name: value(draft.name, 'name'),
    model: value(draft.model, 'model'),
    tier,
    objectives: { rtoMs: value(draft.rtoMs, 'rto'), rpoMs: value(draft.rpoMs, 'rpo') },
    regions,
    sites: sure(draft.sites, 'sites').map((site) => ({
      id: placeId(value(site.id, 'id')),
      store: value(site.store, 'store'),
      witness: value(site.witness, 'witness'),
    })),
    residency: sure(draft.residency, 'residency').map((rule) => ({
      name: value(rule.name, 'name'),
      jurisdiction: value(rule.jurisdiction, 'jurisdiction'),
      data: 'all',
    })),
    replication: {
      mode: mode === 'async' ? 'async' : confirm === standbys ? 'sync' : 'semi-sync',
      confirm,
      whenAlone: value(draft.whenAlone, 'whenAlone'),
      rpoWhileDegradedMs: value(draft.rpoWhileDegradedMs, 'rpoWhileDegraded'),
      async:
        mode === 'async'
          ? { maxLossBytes: value(draft.maxLossBytes, 'maxLoss'), guard: value(draft.guard, 'guard') }
          : null,
    },
    traffic: buildTraffic(draft, regions, drafts, facts),
    edgeTls: buildEdgeTls(draft),
    leaseTtlMs: value(draft.leaseTtlMs, 'lease'),
    timings: writtenTimings(draft),
    application: draft.application,
    dns: draft.dns === null ? null : buildDns(draft.dns),
  };
}

function buildTraffic(
  draft: Draft,
  regions: readonly RegionSpec[],
  drafts: readonly RegionDraft[],
  facts: Facts,
): Deployment['traffic'] {
  const section = sure(draft.traffic, 'traffic');
  const capacityOf = new Map(drafts.map(({ id, capacity }) => [value(id, 'id'), value(capacity, 'capacity')]));
  const context = {
    model: value(draft.model, 'model'),
    regions: regions.map(({ id }) => ({ id, capacity: capacityOf.get(id) ?? null })),
  };
  return {
    routing: resolveTraffic(section, context, facts),
    geoDatabase: section.geolocation?.database ?? null,
  };
}

/** The certificates are for what users ask for, and for what the checks of the address ask for. */
function buildEdgeTls({ edgeTls, traffic: section }: Draft): Deployment['edgeTls'] {
  if (edgeTls === null) return null;
  const { hosts = [], health } = section ?? {};
  const checked = health?.address?.host;
  return {
    certificates: edgeTls.certificates,
    ca: edgeTls.ca ?? null,
    hosts: [...new Set([...hosts, ...(checked === undefined ? [] : [checked])])],
  };
}

const buildRegion = (region: RegionDraft): RegionSpec => ({
  id: placeId(value(region.id, 'id')),
  role: value(region.role, 'role'),
  weight: value(region.weight, 'weight'),
  control: 'owned',
  nodes: Array.from({ length: value(region.nodes, 'nodes') }, (_, index) => `n${index + 1}`),
  store: value(region.store, 'store'),
  // A rule about all data already refused every region that it forbids.
  promotable: true,
});

const buildDns = (dns: DnsDraft): DnsSpec => ({
  zone: value(dns.zone, 'zone'),
  hosts: dns.hosts.map((host) => host.value),
  ttlMs: value(dns.ttlMs, 'ttl'),
  alpn: dns.alpn,
  records: dns.records.map((record) => ({
    name: value(record.name, 'name'),
    type: value(record.type, 'type'),
    value: value(record.value, 'value'),
  })),
});

const writtenTimings = (draft: Draft): Deployment['timings'] =>
  Object.fromEntries(
    [...draft.timings]
      .filter(([, field]) => field.written)
      .map(([knob, field]): [KnobName, number] => [knob, field.value]),
  );

function sure<T>(part: T | null, name: string): T {
  assert(part !== null, `a valid file has ${name}`);
  return part;
}

const value = <T>(field: Field<T> | null, name: string): T => sure(field, name).value;
