import type { Socket } from 'node:net';

/** Connections that a trusted proxy opened for somebody else, and for whom. */
const behindProxy = new WeakMap<Socket, string>();

export function setPeer(socket: Socket, address: string): void {
  behindProxy.set(socket, address);
}

/** Who speaks on this connection: whom the PROXY protocol named, else the other end. */
export const peerOf = (socket: Socket): string => behindProxy.get(socket) ?? socket.remoteAddress ?? '';
