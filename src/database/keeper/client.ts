import { type Socket, connect } from 'node:net';
import type { KeeperEvent, KeeperReply, KeeperRequest } from '../../ports/keeper.ts';
import { readJsonLines, writeJsonLine } from './json-lines.ts';

/** A request without its number, which the client adds. */
export type KeeperOrder = KeeperRequest extends infer R ? (R extends unknown ? Omit<R, 'id'> : never) : never;

export interface KeeperClient {
  /** Sends one request; connects first when there is no connection. Rejects when the keeper is gone or silent for `timeoutMs`. */
  call(order: KeeperOrder, timeoutMs?: number): Promise<KeeperReply>;
  /** Called for each event while connected; the first `call` connects. Returns the function that unsubscribes. */
  onEvent(listener: (event: KeeperEvent) => void): () => void;
  close(): void;
}

const DEFAULT_TIMEOUT_MS = 2_000;

interface Waiting {
  readonly resolve: (reply: KeeperReply) => void;
  readonly reject: (error: Error) => void;
}

/** A client of the keeper on `socketPath`. Connects with the first call, and again with the next call after a loss. */
export function connectKeeper(socketPath: string): KeeperClient {
  const listeners = new Set<(event: KeeperEvent) => void>();
  const waiting = new Map<number, Waiting>();
  let socket: Socket | null = null;
  let lastId = 0;

  const lose = (lost: Socket, why: string): void => {
    lost.destroy();
    if (socket !== lost) return;
    socket = null;
    for (const call of waiting.values()) call.reject(new Error(why));
    waiting.clear();
  };

  const open = (): Socket => {
    if (socket !== null) return socket;
    const opened = connect(socketPath);
    // A keeper that is only listened to must not keep the agent's process alive.
    opened.unref();
    opened.on('error', (error) => lose(opened, `keeper: ${error.message}`));
    opened.on('close', () => lose(opened, 'keeper: connection closed'));
    readJsonLines(opened, (value) => {
      const message = value as KeeperReply | KeeperEvent;
      if ('event' in message) for (const listener of listeners) listener(message);
      else {
        waiting.get(message.id)?.resolve(message);
        waiting.delete(message.id);
      }
    });
    socket = opened;
    return opened;
  };

  return {
    call(order, timeoutMs = DEFAULT_TIMEOUT_MS) {
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(new Error(`keeper: no answer to ${order.do} within ${timeoutMs} ms`));
        }, timeoutMs);
        waiting.set(id, {
          resolve: (reply) => {
            clearTimeout(timer);
            resolve(reply);
          },
          reject: (error) => {
            clearTimeout(timer);
            reject(error);
          },
        });
        writeJsonLine(open(), { id, ...order });
      });
    },
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      if (socket !== null) lose(socket, 'keeper: closed by this client');
    },
  };
}
