import type { Route } from '../../decide/routing/world.ts';
import type { Exchange } from './exchange.ts';

/**
 * The answers that the edge gives itself. `x-farshore-outcome` tells a machine what became of the request:
 * `refused`: no region carried it out. `unknown`: a region may have.
 */
interface OwnAnswer {
  readonly status: 400 | 413 | 451 | 502 | 503 | 504 | 508;
  readonly code: string;
  readonly text: string;
  readonly outcome: 'refused' | 'unknown' | null;
}

export function answerItself(exchange: Exchange, route: Route, answer: OwnAnswer): void {
  const { response } = exchange;
  if (response.destroyed || response.headersSent) return;
  const body = `${JSON.stringify({ code: answer.code, why: answer.text })}\n`;
  const headers: Record<string, string | number> = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-farshore-why': exchange.why(route),
    'x-request-id': exchange.requestId,
  };
  if (answer.outcome !== null) headers['x-farshore-outcome'] = answer.outcome;
  if (answer.status === 503) headers['retry-after'] = 1;
  // What is left of the request's body is read and dropped, so that the client gets to read the answer.
  response.req.resume();
  response.writeHead(answer.status, headers).end(body);
}
