import { connect } from 'node:net';
import { messageOf } from '../base/errors.ts';
import { type Outcome, done, refused, unknown } from '../base/result.ts';
import { onLines } from './lines.ts';

type Reply =
  | { readonly id: number; readonly ok: true }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly why: string };

/**
 * One request to a control socket: a Unix socket, one JSON object a line. Keeper, gateway, link and supervisor speak it.
 * `refused` with code `not-running` when nobody listens; `unknown` when no answer came within `timeoutMs`.
 */
export function controlCall<T extends Reply & { readonly ok: true }>(
  path: string,
  request: object,
  timeoutMs: number,
): Promise<Outcome<T>> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let connected = false;
    const finish = (outcome: Outcome<T>): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish(unknown(`no answer within ${timeoutMs} ms`)), timeoutMs);
    socket.on('connect', () => {
      connected = true;
      socket.write(`${JSON.stringify({ id: 1, ...request })}\n`);
    });
    socket.on('error', (error) =>
      finish(connected ? unknown(messageOf(error)) : refused('not-running', messageOf(error))),
    );
    socket.on('close', () => finish(unknown('the connection closed before the answer')));
    onLines(socket, (line) => {
      const reply = JSON.parse(line) as Reply;
      // Some servers send events unasked on the same socket.
      if (reply.id === undefined) return;
      finish(reply.ok ? done(reply as T) : refused(reply.code, reply.why));
    });
  });
}
