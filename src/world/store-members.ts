import { messageOf } from '../base/errors.ts';
import type { PlaceId } from '../base/ids.ts';
import type { WorldStatus } from '../ports/status.ts';
import { HOST, type PlaceLayout, type WorldLayout } from './layout.ts';

const TIMEOUT_MS = 1_000;

type Member = WorldStatus['store']['members'][number];

/**
 * Asks every member of the store over its own port, not through links. Empty for the embedded store: whether it answers is what
 * the records say. A member without a leader is alive and can do nothing.
 */
export async function askMembers(layout: Pick<WorldLayout, 'store' | 'places'>): Promise<readonly Member[]> {
  if (layout.store.kind === 'embedded') return [];
  return Promise.all(layout.places.filter((place) => place.ports.store !== undefined).map(ask));
}

/** Hands the lead of the store's members to the next one that is up. Null when it was not handed over, for `why`. */
export async function moveLead(
  layout: Pick<WorldLayout, 'store' | 'places'>,
): Promise<{ readonly to: PlaceId | null; readonly why: string }> {
  const members = layout.places.filter((place) => place.ports.store !== undefined);
  const said = await Promise.all(members.map((place) => askOne(place).catch(() => null)));
  const from = said.findIndex((it) => it !== null && it.leader === it.header?.member_id);
  const next = said.findIndex((it, i) => i > from && it?.header?.member_id !== undefined);
  const to = next >= 0 ? next : said.findIndex((it, i) => i !== from && it?.header?.member_id !== undefined);
  const [leader, target] = [members[from], members[to]];
  if (leader === undefined || target === undefined) return { to: null, why: 'no leader, or nobody else is up' };
  const body = JSON.stringify({ targetID: said[to]?.header?.member_id });
  const url = `http://${HOST}:${leader.ports.store}/v3/maintenance/transfer-leadership`;
  const answer = await fetch(url, { method: 'POST', body, signal: AbortSignal.timeout(5_000) });
  if (answer.status !== 200) return { to: null, why: `${leader.id} answers ${answer.status}` };
  const now = await askOne(target);
  const leads = now.leader !== undefined && now.leader === now.header?.member_id;
  return leads
    ? { to: target.id, why: `${leader.id} handed over` }
    : { to: null, why: `${target.id} does not lead although ${leader.id} handed over` };
}

interface MemberSaid {
  readonly header?: { readonly member_id?: string };
  /** Left out while there is none. */
  readonly leader?: string;
}

async function ask(place: PlaceLayout): Promise<Member> {
  const down = (why: string): Member => ({ place: place.id, state: 'down', leads: false, why });
  try {
    const { header, leader } = await askOne(place);
    if (leader === undefined || leader === '0') return down('has no leader: too few members reach each other');
    const leads = leader === header?.member_id;
    return { place: place.id, state: 'up', leads, why: leads ? 'leads' : 'follows' };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return down(`does not answer: ${messageOf(cause)}`);
  }
}

/** Throws when it is not there or does not answer with 200. */
async function askOne(place: PlaceLayout): Promise<MemberSaid> {
  const url = `http://${HOST}:${place.ports.store}/v3/maintenance/status`;
  const answer = await fetch(url, { method: 'POST', body: '{}', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (answer.status !== 200) throw new Error(`it answers ${answer.status}`);
  return (await answer.json()) as MemberSaid;
}
