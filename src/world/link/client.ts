import type { PlaceId } from '../../base/ids.ts';
import { type Outcome, done } from '../../base/result.ts';
import type { LinkFault, LinkReply, LinkStatus } from '../../ports/link.ts';
import { controlCall } from '../control-call.ts';

const CALL_TIMEOUT_MS = 2_000;
type Answer = LinkReply & { readonly ok: true };

/** What a world or a drill asks of one relay. */
export interface LinkClient {
  status(): Promise<Outcome<LinkStatus>>;
  /** Refused with `no-expiry` when a fault has no lease. */
  set(fault: LinkFault, expiresInMs?: number): Promise<Outcome<LinkStatus>>;
  dropEgress(place: PlaceId): Promise<Outcome<LinkStatus>>;
}

export function linkClient(controlSocketPath: string): LinkClient {
  const call = async (request: object): Promise<Outcome<LinkStatus>> => {
    const reply = await controlCall<Answer>(controlSocketPath, request, CALL_TIMEOUT_MS);
    return reply.kind === 'done' ? done(reply.value.status) : reply;
  };
  return {
    status: () => call({ do: 'status' }),
    set: (fault, expiresInMs) => call({ do: 'set', ...fault, expiresInMs }),
    dropEgress: (place) => call({ do: 'drop-egress', place }),
  };
}
