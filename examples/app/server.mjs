// A small order service on Farshore: one of these runs in every region. Started with
//   PORT, FARSHORE_REGION, DATABASE_URL (the gateway's rw), DATABASE_URL_RO (the gateway's ro)
import { createServer } from 'node:http';
import { DatabaseError, openPool, WriteLost } from './database.mjs';
import { addOrder, findOrder, makeTable, newestOrders, ping } from './orders.mjs';
import { forgetToken, openTokens, tokenHeaders } from './token.mjs';

const BODY_LIMIT_BYTES = 64 * 1024;
const DRAIN_MS = 1_500;

const { PORT, FARSHORE_REGION: region = 'local', DATABASE_URL, DATABASE_URL_RO = DATABASE_URL } = process.env;
// A region with several nodes has a gateway on each; these name them all.
const { DATABASE_URLS = DATABASE_URL, DATABASE_URLS_RO = DATABASE_URL_RO } = process.env;
if (!PORT || !DATABASE_URL) fail('PORT and DATABASE_URL must be set');

const rw = openPool(DATABASE_URLS);
const ro = openPool(DATABASE_URLS_RO);
// Every region has the same password, and nobody else has it: it is what tokens are signed with.
const tokens = openTokens(new URL(DATABASE_URL).password);
let draining = false;

/** Thrown by a handler: what the client hears instead. */
class Refusal extends Error {
  constructor(status, body, headers = {}) {
    super(body.code);
    Object.assign(this, { answer: { status, body, headers } });
  }
}
const badRequest = (why) => new Refusal(400, { code: 'bad-request', why });
const ok = (body, status = 200, headers = {}) => ({ status, body, headers });

const routes = [
  // Shallow on purpose: this process is up. A fault of the database must not make every region look dead at once.
  ['GET', /^\/healthz$/, async () => ok({ region, status: 'up' })],
  ['GET', /^\/healthz\/deep$/, deepHealth],
  ['POST', /^\/orders$/, postOrder],
  ['GET', /^\/orders$/, listOrders],
  ['GET', /^\/orders\/([^/]+)$/, getOrder],
  [
    'GET',
    /^\/$/,
    async () => ok({ service: 'orders', region, try: ['POST /orders', 'GET /orders', 'GET /orders/:id'] }),
  ],
];

async function postOrder({ request, signal }) {
  const { order, existed, sameContent, mark } = await addOrder(rw, parseOrder(await readJson(request)), region, signal);
  if (!sameContent) throw new Refusal(409, { code: 'id-taken', why: `order ${order.id} has other content` });
  return ok({ id: order.id, region: order.region, seq: order.seq, existed }, 201, tokenHeaders(tokens.make(mark)));
}

async function getOrder({ request, signal, params: [id] }) {
  const { rows, from } = await findOrder({ rw, ro }, { seen: tokens.of(request), signal }, decode(id));
  const headers = { 'orders-read-from': from };
  if (rows.length === 0) throw new Refusal(404, { code: 'not-found', region }, headers);
  return ok(rows[0], 200, headers);
}

async function listOrders({ request, signal, url }) {
  const limit = Number(url.searchParams.get('limit') ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) throw badRequest('limit is a number from 1 to 1000');
  const { rows, from } = await newestOrders({ rw, ro }, { seen: tokens.of(request), signal }, limit);
  return ok({ region, orders: rows }, 200, { 'orders-read-from': from });
}

async function deepHealth() {
  const [toPrimary, toReplica] = await Promise.allSettled([ping(rw), ping(ro)]);
  const shown = (result) => (result.status === 'fulfilled' ? { ms: result.value } : { error: result.reason.message });
  const both = toPrimary.status === 'fulfilled' && toReplica.status === 'fulfilled';
  return ok({ region, rw: shown(toPrimary), ro: shown(toReplica) }, both ? 200 : 503);
}

function parseOrder(body) {
  const { id, item, quantity } = body ?? {};
  if (!isText(id)) throw badRequest('id is a text of 1 to 200 characters');
  if (!isText(item)) throw badRequest('item is a text of 1 to 200 characters');
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > 1_000_000) {
    throw badRequest('quantity is a whole number from 1 to 1000000');
  }
  return { id, item, quantity };
}

/** PostgreSQL's text can hold anything but the character 0. */
const isText = (value) => typeof value === 'string' && value !== '' && value.length <= 200 && !value.includes('\0');

async function readJson(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_LIMIT_BYTES) throw new Refusal(413, { code: 'too-large' }, { connection: 'close' });
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw badRequest('the body is not JSON');
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badRequest('the id is not well encoded');
  }
}

async function handle(request, signal) {
  const url = new URL(request.url ?? '/', 'http://app');
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  for (const [wanted, path, handler] of routes) {
    const match = path.exec(url.pathname);
    if (match && method === wanted) return handler({ request, signal, url, params: match.slice(1) });
  }
  throw new Refusal(404, { code: 'no-such-path' });
}

/** What a client hears when it was not done. The header tells machines whether it may have happened after all. */
function answerFor(error, isWrite) {
  if (error instanceof Refusal) return error.answer;
  if (error instanceof WriteLost) {
    const lost = 'a failover lost your last write, although it was confirmed: what you read now is without it';
    return { status: 412, body: { code: 'write-lost', why: lost, region }, headers: forgetToken };
  }
  if (!(error instanceof DatabaseError)) return { status: 500, body: { code: 'internal', why: error.message } };
  const why = error.message;
  if (error.outcome === 'unknown' && isWrite) {
    return { status: 503, body: { code: 'outcome-unknown', why }, headers: { 'x-farshore-outcome': 'unknown' } };
  }
  // 42P01: the table is not there yet, or not yet on this replica.
  if (error.outcome === 'rejected' && error.sqlState !== '42P01')
    return { status: 500, body: { code: 'internal', why } };
  return { status: 503, body: { code: 'unavailable', why }, headers: { 'x-farshore-outcome': 'refused' } };
}

async function serve(request, response) {
  const isWrite = request.method === 'POST';
  const left = new AbortController();
  response.once('close', () => left.abort());
  const { status, body, headers = {} } = await handle(request, left.signal).catch((error) => answerFor(error, isWrite));
  if (status === 500) process.stderr.write(`orders: ${request.method} ${request.url}: ${body.why}\n`);
  if (status === 503) response.setHeader('retry-after', '1');
  if (draining) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}

const server = createServer((request, response) => void serve(request, response));
server.on('error', (error) => fail(error.message));
server.listen(Number(PORT), '127.0.0.1', () => {
  process.stderr.write(`orders: region ${region}, http://127.0.0.1:${server.address().port}\n`);
});

let lastWait = '';
void makeTable(rw, (error) => {
  if (error.message !== lastWait) process.stderr.write(`orders: waiting for the database: ${error.message}\n`);
  lastWait = error.message;
});

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, stop);

/** Answers what is in flight, then leaves. */
function stop() {
  draining = true;
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  setTimeout(() => process.exit(0), DRAIN_MS).unref();
}

function fail(why) {
  process.stderr.write(`orders: ${why}\n`);
  process.exit(1);
}
