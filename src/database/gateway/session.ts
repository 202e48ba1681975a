import type { Socket } from 'node:net';
import { type CancelTarget, type GatewayContext, postgresPath, type Session } from './context.ts';
import { poller } from './poller.ts';
import { Relay } from './relay.ts';
import { ConnectionLost, dial } from './sockets.ts';
import type { Authority, Binding } from './table.ts';

/** A connection to the local PostgreSQL that is beginning; `begun` gives its place in `Admission` back. */
export interface Beginning {
  readonly socket: Socket;
  readonly begun: () => void;
}

/** Makes a relay of two sockets and enters it into the books until it ends. Both sockets must be paused. */
export function openSession(
  gateway: GatewayContext,
  door: Session['door'],
  binding: Binding,
  sockets: { readonly client: Socket; readonly upstream: Socket; readonly cancelTarget: CancelTarget },
  begun: () => void = () => undefined,
): void {
  const { authority, counters, sessions, cancelKeys } = gateway;
  let key: string | null = null;
  const relay = new Relay(sockets.client, sockets.upstream, poller, {
    whySilent: () => (authority.expired ? authority.whyOver(binding) : null),
    whyMove: () => (authority.shouldMove(binding) ? whyMoved(binding) : null),
    // The last thing but one that a new backend says.
    cancelKey: (value) => {
      begun();
      key = value;
      cancelKeys.set(value, session);
    },
    cancelUnknown: () => {
      counters.cancelsUnknown += 1;
    },
    ended: (how, unknown) => {
      begun();
      sessions.delete(session);
      if (key !== null && cancelKeys.get(key) === session) cancelKeys.delete(key);
      if (how === 'fenced') counters.fenced += 1;
      if (how === 'cancelled-sync-wait') counters.cancelledSyncWaits += 1;
      else if (unknown) counters.inFlightUnknown += 1;
    },
  });
  const session: Session = { door, binding, relay, cancelTarget: sockets.cancelTarget };
  sessions.add(session);
  relay.start();
}

/** Ends every session that may not live on, and idle ones that should move. */
export function sweepSessions(sessions: ReadonlySet<Session>, authority: Authority): void {
  for (const session of sessions) {
    const why = authority.whyOver(session.binding);
    if (why !== null) session.relay.fence(why);
    else if (authority.shouldMove(session.binding)) session.relay.move(whyMoved(session.binding));
  }
}

/**
 * Opens a client's connection to the local PostgreSQL. Those that are being opened count: one table wakes all who wait at once. A
 * client that is `gone` gets no backend: after an outage there may be many who gave up, before those who still wait.
 * @throws ConnectionLost, also when all that clients may have are in use.
 */
export async function dialLocal(
  gateway: GatewayContext,
  want: 'rw' | 'ro',
  startup: Buffer,
  timeoutMs: number,
  gone: AbortSignal,
): Promise<Beginning> {
  const local = [...gateway.sessions].filter(({ binding }) => binding.target === 'local').length;
  const { clientsMax } = gateway.config;
  if (local + gateway.dialling >= clientsMax)
    throw new ConnectionLost(`all ${clientsMax} connections for clients are in use`);
  gateway.dialling += 1;
  let begun: (() => void) | null = null;
  try {
    begun = await gateway.admission.enter(timeoutMs, gone, want);
    if (gone.aborted) throw new ConnectionLost('the client left before its turn');
    if (begun === null) throw new ConnectionLost('too many connections began at the same time');
    const socket = await dial(localTarget(gateway), startup, timeoutMs);
    return { socket, begun };
  } catch (error) {
    begun?.();
    throw error;
  } finally {
    gateway.dialling -= 1;
  }
}

const whyMoved = ({ want }: Binding): string =>
  want === 'ro' ? 'this replica is too old by now' : 'the primary hands over to another node: connect again';

export const localTarget = (gateway: GatewayContext): CancelTarget => ({ path: postgresPath(gateway.config) });
