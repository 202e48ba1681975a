import type { OutcomeClass } from '../ledger.ts';

/**
 * SQLSTATEs after which the statement was certainly not carried out, even though it had been sent. Everything else after
 * sending is `info`: calling an executed write failed would hide a duplicate and invent a phantom.
 */
const NOT_EXECUTED_SQLSTATES: ReadonlySet<string> = new Set([
  '57P03', // cannot connect now: no primary known
  '25006', // read-only transaction: this is a standby
  '57014', // cancelled before it finished (a cancelled sync wait never says this)
  '53300', // too many connections
  '55P03', // lock not available
  '40001', // serialization failure; 40003, completion unknown, is not here
  '40P01', // deadlock
]);
/** Whole classes that mean a rejected statement: authentication, syntax and access, data, integrity, feature. */
const NOT_EXECUTED_CLASSES: ReadonlySet<string> = new Set(['28', '42', '22', '23', '0A']);

export function classifySqlState(sqlState: string): OutcomeClass {
  if (NOT_EXECUTED_SQLSTATES.has(sqlState)) return 'fail';
  return NOT_EXECUTED_CLASSES.has(sqlState.slice(0, 2)) ? 'fail' : 'info';
}

/** A connection that broke: before the request left nothing can have happened, after it nobody knows. */
export const classifyBroken = (sent: boolean): OutcomeClass => (sent ? 'info' : 'fail');

/** The header by which edge and application say what became of a request they could not answer: `refused` or `unknown`. */
export const OUTCOME_HEADER = 'x-farshore-outcome';

/** An HTTP answer to a write. A 5xx may come after the write was done, unless the answer says otherwise. */
export function classifyHttpWrite(status: number, saysRefused: boolean): OutcomeClass {
  if (status >= 200 && status < 300) return 'ok';
  if (status >= 500) return saysRefused ? 'fail' : 'info';
  return 'fail';
}

/** An HTTP answer to a read. 404 is an answer: the row may not have reached this replica yet, which is staleness, not an outage. */
export const classifyHttpRead = (status: number): OutcomeClass =>
  (status >= 200 && status < 300) || status === 404 ? 'ok' : 'fail';
