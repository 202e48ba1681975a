import { get } from 'node:http';
import { messageOf } from '../base/errors.ts';
import { HOST } from './layout.ts';

/** `status` 0: no answer, and `body` says why. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One GET to a port of this machine, bounded. Never rejects. */
export function httpGet(port: number, path: string, timeoutMs: number, token?: string): Promise<Answer> {
  return new Promise((resolve) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const request = get({ host: HOST, port, path, headers, agent: false }, (response) => {
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
  });
}
