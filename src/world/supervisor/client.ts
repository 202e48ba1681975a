import { connect, type Socket } from 'node:net';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import { done, type Outcome } from '../../base/result.ts';
import { controlCall } from '../control-call.ts';
import type { WorldLayout } from '../layout.ts';
import type { SupervisorReply, SupervisorStatus } from './protocol.ts';

const CALL_TIMEOUT_MS = 3_000;
/** Longer than all the grace periods of the stages together. */
const SHUTDOWN_TIMEOUT_MS = 40_000;
type Answer = SupervisorReply & { readonly ok: true };

/** What the CLI and drills ask of a running world. Every call is refused with `not-running` when no supervisor answers. */
export interface SupervisorClient {
  list(): Promise<Outcome<SupervisorStatus>>;
  /** Processes of `target`, a place or one node, are not restarted until `release`, or until nobody refreshed the hold for `expiresInMs`. */
  hold(target: PlaceId | NodeId, holder: string, expiresInMs: number): Promise<Outcome<SupervisorStatus>>;
  release(target: PlaceId | NodeId): Promise<Outcome<SupervisorStatus>>;
  /** Stops everything in order; resolves when it is gone. */
  shutdown(): Promise<Outcome<SupervisorStatus>>;
  /** The world goes down when this process ends or closes the socket. */
  attach(): Socket;
}

export function supervisorClient(layout: Pick<WorldLayout, 'supervisorSocketPath'>): SupervisorClient {
  const path = layout.supervisorSocketPath;
  const call = async (request: object, timeoutMs = CALL_TIMEOUT_MS): Promise<Outcome<SupervisorStatus>> => {
    const reply = await controlCall<Answer>(path, request, timeoutMs);
    return reply.kind === 'done' ? done(reply.value.status) : reply;
  };
  return {
    list: () => call({ do: 'list' }),
    hold: (target, holder, expiresInMs) => call({ do: 'hold', target, holder, expiresInMs }),
    release: (target) => call({ do: 'release', target }),
    shutdown: () => call({ do: 'shutdown' }, SHUTDOWN_TIMEOUT_MS),
    attach() {
      const socket = connect(path);
      socket.on('error', () => socket.destroy());
      socket.write(`${JSON.stringify({ id: 1, do: 'attach' })}\n`);
      socket.resume();
      return socket;
    },
  };
}
