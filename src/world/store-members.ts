import { messageOf } from '../base/errors.ts';
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

interface MemberSaid {
  readonly header?: { readonly member_id?: string };
  /** Left out while there is none. */
  readonly leader?: string;
}

async function ask(place: PlaceLayout): Promise<Member> {
  const down = (why: string): Member => ({ place: place.id, state: 'down', leads: false, why });
  try {
    const url = `http://${HOST}:${place.ports.store}/v3/maintenance/status`;
    const answer = await fetch(url, { method: 'POST', body: '{}', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.status !== 200) return down(`answers ${answer.status}`);
    const { header, leader } = (await answer.json()) as MemberSaid;
    if (leader === undefined || leader === '0') return down('has no leader: too few members reach each other');
    const leads = leader === header?.member_id;
    return { place: place.id, state: 'up', leads, why: leads ? 'leads' : 'follows' };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return down(`does not answer: ${messageOf(cause)}`);
  }
}
