import { request as open } from 'node:http';
import { messageOf } from '../base/errors.ts';
import { HOST } from './layout.ts';

/** `status` 0: no answer, and `body` says why. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One GET to a port of this machine, bounded. Never rejects. */
export const httpGet = (port: number, path: string, timeoutMs: number, token?: string): Promise<Answer> =>
  call(port, path, timeoutMs, token, null);

/** One POST of a JSON value, likewise. */
export const httpPost = (
  port: number,
  path: string,
  timeoutMs: number,
  token: string,
  value: unknown,
): Promise<Answer> => call(port, path, timeoutMs, token, JSON.stringify(value));

function call(
  port: number,
  path: string,
  timeoutMs: number,
  token: string | undefined,
  sent: string | null,
): Promise<Answer> {
  return new Promise((resolve) => {
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(sent === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }),
    };
    const method = sent === null ? 'GET' : 'POST';
    const request = open({ host: HOST, port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => finish({ status: response.statusCode ?? 0, body }));
      response.on('error', (error) => finish({ status: 0, body: messageOf(error) }));
    });
    const timer = setTimeout(() => finish({ status: 0, body: `no answer within ${timeoutMs} ms` }), timeoutMs);
    const finish = (answer: Answer): void => {
      clearTimeout(timer);
      request.destroy();
      resolve(answer);
    };
    request.on('error', (error) => finish({ status: 0, body: messageOf(error) }));
    request.end(sent ?? undefined);
  });
}
