import type { PlaceId } from '../../base/ids.ts';

/**
 * How an application says "not here": it answers with the header `farshore-replay: primary`, having changed nothing, and the edge
 * sends the same request to the primary's region. Behind it may stand `; epoch=7` (the primary it knows of is of that epoch: an
 * edge with an older table waits for a newer one) and `; state=TEXT` (handed to the primary's application as it is).
 */
export const REPLAY_HEADER = 'farshore-replay';

export interface ReplayAsked {
  readonly epoch: number;
  readonly state: string | null;
}

/** Null: nothing that an edge can do. */
export function parseReplay(value: string): ReplayAsked | null {
  const [where = '', ...words] = value.split(';').map((word) => word.trim());
  if (where !== 'primary') return null;
  let asked: ReplayAsked = { epoch: 0, state: null };
  for (const word of words) {
    const epoch = /^epoch=(\d{1,15})$/.exec(word)?.[1];
    const state = /^state=([\w.:@/+=-]{1,256})$/.exec(word)?.[1];
    if (epoch !== undefined) asked = { ...asked, epoch: Number(epoch) };
    else if (state !== undefined) asked = { ...asked, state };
    else return null;
  }
  return asked;
}

/** A request on its second way. */
export interface Replay {
  /** It goes only where a table of this epoch or a newer one sends it. */
  readonly leastEpoch: number;
  readonly times: number;
  readonly from: PlaceId;
  readonly state: string | null;
}

/** Each region that asks may have been the primary a moment ago; more than this in one request is a circle. */
const MOST_TIMES = 3;

/** The next way of a request, or why it has none. `primary`: the region and epoch that the edge's table names now. */
export function nextReplay(
  before: Replay | null,
  from: PlaceId,
  asked: ReplayAsked,
  primary: { readonly region: PlaceId | null; readonly epoch: number },
): Replay | 'circle' {
  const times = (before?.times ?? 0) + 1;
  if (times > MOST_TIMES) return 'circle';
  // Who is asked as the primary and is none any more: only a newer table can know better.
  const leastEpoch = Math.max(asked.epoch, from === primary.region ? primary.epoch + 1 : 0);
  return { leastEpoch, times, from, state: asked.state };
}

/** What the primary's application hears: who sent it, and the epoch by which the edge chose it. */
export const replayHeaders = ({ from, state }: Replay, epoch: number): readonly string[] => [
  'farshore-replay-src',
  `region=${from}${state === null ? '' : `; state=${state}`}`,
  'farshore-epoch',
  String(epoch),
];
