import { type GatewayContext, prefaceFor } from './context.ts';
import { dial } from './sockets.ts';

/** How long a cancel request may take to be delivered. PostgreSQL gives no answer to one. */
const CANCEL_MS = 5_000;

/**
 * Passes a CancelRequest on to where the connection with this key leads: to PostgreSQL, or to the gateway that leads there.
 * A key that no live connection has is dropped without a word, as PostgreSQL does. Never rejects.
 */
export async function forwardCancel(gateway: GatewayContext, key: string, packet: Buffer): Promise<void> {
  const session = gateway.cancelKeys.get(key);
  if (session === undefined) return;
  const target = session.cancelTarget;
  const bytes = 'path' in target ? packet : Buffer.concat([prefaceFor(gateway, 'cancel'), packet]);
  session.relay.cancelForwarded();
  try {
    const socket = await dial(target, bytes, CANCEL_MS);
    // The client may take our closing as the sign that the request was delivered: wait for the other side to close.
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.setTimeout(CANCEL_MS, () => socket.destroy());
      socket.on('end', () => socket.destroy()).resume();
    });
  } catch {
    // Counted as unknown by the session when its next answer comes without 57014.
  }
}
