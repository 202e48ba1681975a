import type { PlaceId } from '../base/ids.ts';
import { because, type Reason } from '../base/reason.ts';
import type { Aged, WorldStatus } from '../ports/status.ts';
import type { SyncRecord } from '../ports/records.ts';
import type { NodeAnswer } from './open.ts';

/** Everything that the state of a world is judged by. */
export interface WorldView {
  readonly supervisorRuns: boolean;
  readonly held: readonly PlaceId[];
  readonly dataPlaces: readonly PlaceId[];
  readonly answers: readonly NodeAnswer[];
  /** Null: nothing was recorded yet, or the store does not answer (`storeWhy`). */
  readonly record: Aged<SyncRecord> | null;
  readonly storeWhy: string | null;
  /** Edges that do not answer 200 on the application's health path, with what they say. */
  readonly badEdges: readonly { readonly place: PlaceId; readonly why: string }[];
  readonly badLinks: readonly { readonly from: PlaceId; readonly to: PlaceId; readonly state: string }[];
}

interface Verdict {
  readonly state: WorldStatus['state'];
  readonly why: Reason;
}

/**
 * `ready`: a primary is open and RPO 0 kept, every data node follows, every edge serves. `starting`: there never was a primary that
 * others confirm. `degraded`: there was, and something of this is missing now. The reason names the first thing missing.
 */
export function assessWorld(view: WorldView): Verdict {
  if (!view.supervisorRuns) return { state: 'down', why: because('not-running', 'no supervisor runs') };
  const missing = firstMissing(view);
  if (missing === null)
    return { state: 'ready', why: because('ready', 'a primary is open, every node follows, every edge serves') };
  // Without the store the nodes' own word tells: one that was confirmed once says so.
  const lived = view.answers.some(({ last }) => last?.value.sync === 'primary' || last?.value.sync === 'confirms');
  const began = view.record === null ? view.storeWhy !== null && lived : view.record.value.version > 1;
  return { state: began ? 'degraded' : 'starting', why: missing };
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
  if (!data.some((node) => node.open)) {
    const sayer = data.find((node) => node.role === 'primary') ?? data[0];
    return because('no-primary', `no primary is open: ${sayer?.why.text ?? 'no agent says why'}`);
  }
  const behind = data.find((node) => !node.open && !node.health.ok);
  if (behind !== undefined) return because('node-not-following', `${behind.node}: ${behind.why.text}`);
  if (view.record === null || view.record.value.w === 0)
    return because('rpo-suspended', 'the primary acknowledges alone: nobody has entered the sync record yet');
  const [edge] = view.badEdges;
  if (edge !== undefined) return because('edge-not-serving', `the edge of ${edge.place} does not serve: ${edge.why}`);
  const [link] = view.badLinks;
  if (link !== undefined) return because('link-fault', `the link ${link.from} → ${link.to} is ${link.state}`);
  return null;
}

/** Is an acknowledged write on another region (I4)? */
export function assessRpoZero(record: Aged<SyncRecord> | null): WorldStatus['rpoZero'] {
  if (record === null) return { state: 'suspended', why: because('record-unknown', 'the sync record cannot be read') };
  const { w, names, primary } = record.value;
  if (w > 0) {
    const text = `a write is acknowledged when ${w} of ${names.join(', ')} ${w === 1 ? 'has' : 'have'} it`;
    return { state: 'kept', why: because('confirmed', text) };
  }
  const text = `${primary} acknowledges alone: what it alone has would be lost with it, so only it may be primary`;
  return { state: 'suspended', why: because('solo', text) };
}
