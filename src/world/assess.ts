import type { NodeId, PlaceId } from '../base/ids.ts';
import { because, type Reason } from '../base/reason.ts';
import type { Aged, DnsLook, NodeStatus, ProcessEnd, WorldStatus } from '../ports/status.ts';
import type { SyncRecord } from '../ports/records.ts';
import { describeFailing } from './ends.ts';
import type { NodeAnswer } from './open.ts';

/** Everything that the state of a world is judged by. */
export interface WorldView {
  /** `gone`: nobody listens; `silent`: no answer in time. */
  readonly supervisor: 'runs' | 'gone' | 'silent';
  /** An agent or the store answers, or a process of this world is alive. */
  readonly anythingRuns: boolean;
  /** What brings the supervisor back. */
  readonly upCommand: string;
  readonly held: readonly (PlaceId | NodeId)[];
  readonly dataPlaces: readonly PlaceId[];
  readonly answers: readonly NodeAnswer[];
  /** Null: nothing was recorded yet, or the store does not answer (`storeWhy`). */
  readonly record: Aged<SyncRecord> | null;
  readonly storeWhy: string | null;
  /** Edges that do not answer 200 on the application's health path, with what they say. */
  readonly badEdges: readonly { readonly place: PlaceId; readonly why: string }[];
  /** What the DNS server answers; null without one. */
  readonly dns: DnsLook | null;
  /** Members of the store that do not answer, or have no leader. */
  readonly badMembers: readonly { readonly place: PlaceId; readonly why: string }[];
  readonly badLinks: readonly { readonly from: PlaceId; readonly to: PlaceId; readonly state: string }[];
  readonly ends: readonly ProcessEnd[];
}

interface Verdict {
  readonly state: WorldStatus['state'];
  readonly why: Reason;
}

/**
 * `ready`: a primary is open and RPO 0 kept, every data node follows, every edge serves. `starting`: there never was a primary that
 * others confirm. `degraded`: there was, and something of this is missing now, or nobody would restart what ends. `down`: nothing
 * runs. The reason names the first thing missing.
 */
export function assessWorld(view: WorldView): Verdict {
  if (view.supervisor === 'gone' && !view.anythingRuns)
    return {
      state: 'down',
      why: because('not-running', `nothing runs; its data is kept, \`${view.upCommand}\` goes on from it`),
    };
  const missing = firstMissing(view);
  if (view.supervisor !== 'runs') return { state: 'degraded', why: whyUnsupervised(view, missing) };
  if (missing === null)
    return { state: 'ready', why: because('ready', 'a primary is open, every node follows, every edge serves') };
  // Without the store the nodes' own word tells: one that was confirmed once says so.
  const lived = view.answers.some(
    ({ last }) => last?.value.sync === 'primary' || last?.value.sync === 'confirms' || last?.value.sync === 'async',
  );
  const began = view.record === null ? view.storeWhy !== null && lived : view.record.value.version > 1;
  return { state: began ? 'degraded' : 'starting', why: withFailing(missing, view.ends) };
}

function whyUnsupervised(view: WorldView, missing: Reason | null): Reason {
  if (view.supervisor === 'silent') {
    const text = missing === null ? 'everything else goes on' : missing.text;
    return because('supervisor-silent', `the supervisor runs and does not answer: ${text}`);
  }
  const text = missing === null ? 'everything goes on, but nobody' : `${missing.text}; nobody`;
  return because('unsupervised', `${text} restarts what ends; run \`${view.upCommand}\``);
}

/** A process that ends over and over is most likely why. */
function withFailing(missing: Reason, ends: readonly ProcessEnd[]): Reason {
  const failing = ends.filter((end) => end.failing).map(describeFailing);
  return failing.length === 0 ? missing : because(missing.code, [missing.text, ...failing].join('; '));
}

function firstMissing(view: WorldView): Reason | null {
  const [held] = view.held;
  if (held !== undefined) return because('region-held', `${held} is held down by a drill or a person`);
  const silent = view.answers.find((it) => !it.answered);
  if (silent !== undefined)
    return because('agent-silent', `the agent of ${silent.node} does not answer: ${silent.why}`);
  if (view.storeWhy !== null) return because('store-unreachable', `the store does not answer: ${view.storeWhy}`);
  const nodes = view.answers.flatMap((it) => (it.last === null ? [] : [it.last.value]));
  const data = nodes.filter((node) => view.dataPlaces.includes(node.place));
  const newest = Math.max(view.record?.value.epoch ?? 0, ...data.map(reignOf));
  const old = data.find((node) => node.open && reignOf(node) < newest);
  if (old !== undefined) return because('old-primary', sayOldPrimary(old, newest));
  if (!data.some((node) => node.open)) {
    const sayer = data.find((node) => node.role === 'primary') ?? data[0];
    return because('no-primary', `no primary is open: ${sayer?.why.text ?? 'no agent says why'}`);
  }
  const behind = data.find((node) => !node.open && !node.health.ok);
  if (behind !== undefined) return because('node-not-following', `${behind.node}: ${behind.why.text}`);
  const alone = whyAlone(view);
  if (alone !== null) return alone;
  const [edge] = view.badEdges;
  if (edge !== undefined) return because('edge-not-serving', `the edge of ${edge.place} does not serve: ${edge.why}`);
  if (view.dns !== null && view.dns.why !== null) {
    const { place, host, why } = view.dns;
    return because('dns-not-answering', `the DNS server of ${place} has no address for ${host}: ${why}`);
  }
  const [member] = view.badMembers;
  if (member !== undefined)
    return because('store-member-down', `the store’s member in ${member.place} ${member.why}; the others go on`);
  const [link] = view.badLinks;
  if (link !== undefined) return because('link-fault', `the link ${link.from} → ${link.to} is ${link.state}`);
  return null;
}

/** The epoch under which a node is open; 0 when it is not. */
const reignOf = (node: NodeStatus): number => (node.open ? (node.storedEpoch ?? 0) : 0);

/** Cut off, it may believe in itself for as long as the cut lasts: what confirmed its writes was taken from it. */
const sayOldPrimary = (old: NodeStatus, newest: number): string =>
  `${old.node} was primary of epoch ${reignOf(old)} and has not heard of epoch ${newest}: fenced, nothing it takes is acknowledged`;

function whyAlone({ record, answers }: WorldView): Reason | null {
  if (record !== null && (record.value.w > 0 || record.value.names.length > 0)) return null;
  const waits = record === null ? null : soloButWaits(record, answers);
  if (waits !== null)
    return because('record-solo', `${waits}; until the record names them, nobody else may be primary`);
  return because('rpo-suspended', 'the primary acknowledges alone: nobody has entered the sync record yet');
}

/** Is an acknowledged write on another region (I4)? What the open primary waits for counts as well as the record. */
export function assessRpoZero(
  record: Aged<SyncRecord> | null,
  answers: readonly NodeAnswer[],
  state: WorldStatus['state'],
): WorldStatus['rpoZero'] {
  if (state === 'down') return { state: 'unknown', why: because('not-running', 'nothing runs') };
  if (record === null)
    return { state: 'unknown', why: because('record-unknown', 'there is no sync record, or it cannot be read') };
  const { w, names, primary } = record.value;
  if (w > 0) {
    const text = `a write is acknowledged when ${w} of ${names.join(', ')} ${w === 1 ? 'has' : 'have'} it`;
    return { state: 'kept', why: because('confirmed', text) };
  }
  if (record.value.mode === 'async') return { state: 'none', why: because('async', sayAsync(record.value)) };
  const waits = soloButWaits(record, answers);
  if (waits !== null) return { state: 'kept', why: because('record-solo', waits) };
  const text = `${primary} acknowledges alone: what it alone has would be lost with it, so only it may be primary`;
  return { state: 'suspended', why: because('solo', text) };
}

const sayAsync = ({ primary, names }: SyncRecord): string =>
  names.length === 0
    ? `async, and ${primary} is alone: nobody receives what it acknowledges, so only it may be primary`
    : `async: a write is acknowledged by ${primary} alone; ${names.join(', ')} may be promoted, and what they lack is lost with it, within rpo and maxLoss`;

/** The record lags behind the list that PostgreSQL waits for: the list is set before the record, and stays when the store is away. */
function soloButWaits(record: Aged<SyncRecord>, answers: readonly NodeAnswer[]): string | null {
  const { primary } = record.value;
  const list = answers.find((it) => it.answered && it.node === primary)?.last?.value.list ?? null;
  if (list === null || list.w === 0) return null;
  const names = list.names.join(', ');
  return `the record names ${primary} alone, but every acknowledgement waits for ${list.w} of ${names}`;
}
