// How this application talks to PostgreSQL through Farshore's gateway, and what it does when a region is lost.
//
// The gateway ends a connection truthfully when the primary changes: SQLSTATE 57P01 when nothing can have been committed,
// 08007 when a commit was in flight and nobody knows. So every failed statement here is one of three:
//
//   not-executed   it certainly did nothing: ask again
//   unknown        it may have been committed: ask again only if asking twice does no harm
//   rejected       PostgreSQL refused it, and would again
import pg from 'pg';

const NOT_EXECUTED = new Set([
  '57P01', // the connection was closed with nothing in flight
  '57P03', // no primary is known yet
  '25006', // this is a standby
  '53300', // too many connections
  '40001', // serialization failure
  '40P01', // deadlock
  '55P03', // lock not available
]);
const PAUSE_MS = 100;
const MIN_TRY_MS = 250;
/** How long one try waits for a connection. */
const CONNECTION_MS = 1_000;
/** How long a connection may take to stand: much longer than anybody waits for it, see `take`. */
const CONNECT_MS = 15_000;
/** So many connections are there before anybody asks for one, and again after a failover has closed them. */
const WARM = 2;
const WARM_AGAIN_MS = 250;
const ASK_AGAIN_MS = 10;
const NOBODY = 'nobody waits for it any more';
const SEEN = 'SELECT farshore.seen($1) AS seen';

export class DatabaseError extends Error {
  /** @param {'not-executed' | 'unknown' | 'rejected'} outcome */
  constructor(outcome, cause) {
    super(cause.message, { cause });
    this.outcome = outcome;
    this.sqlState = cause.code;
  }
}

/** A write that was acknowledged and that no failover can bring back: the client must hear of it, instead of not finding it. */
export class WriteLost extends Error {
  outcome = 'rejected';
}

/**
 * A pool for each door, when the region has several nodes: the one that worked last is asked first, the others when it gives
 * no connection. With one URL this is one pool.
 */
export function openPool(connectionStrings) {
  const pools = connectionStrings.split(',').map(openDoor);
  let preferred = 0;
  return {
    async connect(signal) {
      const failures = [];
      for (let turn = 0; turn < pools.length; turn += 1) {
        const index = (preferred + turn) % pools.length;
        try {
          const client = await take(pools[index], signal);
          preferred = index;
          return client;
        } catch (error) {
          failures.push(error);
        }
      }
      throw failures[0];
    },
    end: () => Promise.all(pools.map((pool) => pool.end())),
  };
}

/** Every wait is bounded: a failover must end in an error that can be handled, not in a request that hangs. */
function openDoor(connectionString) {
  const pool = new pg.Pool({
    connectionString,
    max: 10,
    min: WARM,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: 2_500,
    keepAlive: true,
  });
  // A failover closes connections. In use or idle, each then emits 'error', and without handlers that ends the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  pool.on('error', () => {});
  keepWarm(pool);
  return pool;
}

/**
 * Connects before anybody asks. A region that stands by has no users and so no connections; when it takes over, all its users come
 * in the moment in which everybody connects. A connection that was asked for before waits in the gateway and is among the first.
 */
function keepWarm(pool) {
  const warm = async () => {
    while (pool.totalCount < WARM && !pool.ending) {
      try {
        // All of them at once, not only the missing ones: asked for one, the pool gives the idle one that it has.
        const asked = Array.from({ length: WARM }, () => pool.connect());
        for (const connected of await Promise.allSettled(asked)) connected.value?.release();
      } finally {
        await new Promise((resolve) => setTimeout(resolve, WARM_AGAIN_MS));
      }
    }
    isWarming = false;
  };
  let isWarming = false;
  const begin = () => {
    if (isWarming) return;
    isWarming = true;
    void warm();
  };
  pool.on('remove', begin);
  begin();
}

/**
 * A connection of the pool; rejects when there is none in time, or when whoever asked is gone (`signal`). One that comes later is
 * not thrown away: it serves the next. After a failover every application connects at once, and where that takes longer than a
 * request waits, connections that are given up together with their request would never stand.
 */
function take(pool, signal) {
  if (signal?.aborted) return Promise.reject(new Error(NOBODY));
  const connecting = pool.connect();
  return new Promise((resolve, reject) => {
    const giveUp = (why) => {
      stop();
      connecting.then(
        (client) => client.release(),
        () => {},
      );
      reject(new Error(why));
    };
    const onGone = () => giveUp(NOBODY);
    const timer = setTimeout(() => giveUp(`no connection was free within ${CONNECTION_MS} ms`), CONNECTION_MS);
    const stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onGone);
    };
    signal?.addEventListener('abort', onGone, { once: true });
    connecting.then(resolve, reject).finally(stop);
  });
}

/**
 * Runs one statement, again and again until `withinMs` is over, and resolves with its rows. Only for statements that may be
 * repeated: reads, and writes that carry an idempotency key. Rejects with a DatabaseError. `signal`: nobody waits for it any more;
 * what was not begun is left, so that it does not stand before those who still wait.
 */
export const runRepeatable = (pool, text, values, withinMs, signal) =>
  repeat((leftMs) => runOnce(pool, text, values, leftMs, signal), withinMs, signal);

async function repeat(attempt, withinMs, signal) {
  const deadlineMs = performance.now() + withinMs;
  let mayBeCommitted = false;
  for (;;) {
    try {
      return await attempt(Math.max(MIN_TRY_MS, deadlineMs - performance.now()));
    } catch (error) {
      if (error.outcome === 'rejected' || signal?.aborted) throw error;
      mayBeCommitted ||= error.outcome === 'unknown';
      if (performance.now() + PAUSE_MS >= deadlineMs) {
        // One try whose outcome is unknown makes the whole unknown, however the later ones ended.
        throw mayBeCommitted ? new DatabaseError('unknown', error.cause) : error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/**
 * Reads on a connection whose server has seen the write that `mark` names; it is asked again and again until `withinMs` is over.
 * Resolves with the rows; null when it has not seen it in time. Rejects with `WriteLost` as soon as anybody knows that, and with a
 * DatabaseError.
 */
export const runSeeing = (pool, mark, text, values, withinMs, signal) =>
  onConnection(pool, signal, async (client) => {
    const deadlineMs = performance.now() + withinMs;
    for (;;) {
      const { rows } = await client.query({ text: SEEN, values: [mark], query_timeout: MIN_TRY_MS + withinMs });
      if (rows[0].seen === 'lost') return new WriteLost();
      // A statement of its own: it sees what was there when the question was answered.
      if (rows[0].seen === 'yes') {
        return (await client.query({ text, values, query_timeout: MIN_TRY_MS + withinMs })).rows;
      }
      if (performance.now() + ASK_AGAIN_MS >= deadlineMs) return null;
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }).then((result) => {
    // Not thrown in there: what is thrown there closes a connection that is well.
    if (result instanceof WriteLost) throw result;
    return result;
  });

/** The same, where there is nobody else to ask: tries until `withinMs` is over, through failovers. Never resolves with null. */
export function runSeeingRepeatedly(pool, mark, text, values, withinMs, signal) {
  return repeat(
    async (leftMs) => {
      const rows = await runSeeing(pool, mark, text, values, leftMs, signal);
      if (rows === null) throw new DatabaseError('not-executed', new Error('the write is not seen here yet'));
      return rows;
    },
    withinMs,
    signal,
  );
}

async function runOnce(pool, text, values, withinMs, signal) {
  const ask = async (client) => (await client.query({ text, values, query_timeout: withinMs })).rows;
  return onConnection(pool, signal, ask);
}

async function onConnection(pool, signal, work) {
  let client;
  try {
    client = await pool.connect(signal);
  } catch (error) {
    throw new DatabaseError('not-executed', error);
  }
  try {
    const result = await work(client);
    client.release();
    return result;
  } catch (error) {
    // After an error nobody knows what state the connection is in: `true` closes it.
    client.release(true);
    throw new DatabaseError(outcomeOf(error), error);
  }
}

function outcomeOf(error) {
  if (NOT_EXECUTED.has(error.code)) return 'not-executed';
  // Classes 22, 23 and 42: bad data, a violated constraint, a faulty statement or a missing table.
  return /^(22|23|42)/.test(error.code ?? '') ? 'rejected' : 'unknown';
}
