// Reading one's own writes: after a write the client gets a token that says which write a replica must have replayed, so that it
// shows it. It comes back as a header or a cookie. A replica that is not there yet is given a moment; then the primary is asked.
// When a failover has lost that write, the answer is 412, once. Signed, so that nobody can send every read to the primary, or
// call a write lost, with a token that he made up.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The name of the header and of the cookie. */
export const TOKEN = 'farshore-seen';
const COOKIE_FOR_S = 300;
const GROUP = 'main';

/** `secret` is the same in every region; without one, tokens of other processes are as good as none. */
export function openTokens(secret) {
  const key = secret || randomBytes(32);
  const sign = (text) => createHmac('sha256', key).update(`${TOKEN} ${GROUP} ${text}`).digest('base64url');
  return {
    /** `mark`: what `farshore.mark()` said in the transaction that wrote. */
    make: (mark) => `${mark}.${sign(mark)}`,
    /** The mark that a request carries, or null. */
    of({ headers }) {
      const given = headers[TOKEN] ?? cookieIn(headers.cookie);
      const match = /^(\d{1,15}\.\d{1,20}\.[0-9A-F]{1,8}-[0-9A-F]{1,8})\.([\w-]{43})$/.exec(given ?? '');
      if (match === null || !timingSafeEqual(Buffer.from(match[2]), Buffer.from(sign(match[1])))) return null;
      return match[1];
    },
  };
}

/** What an answer to a write carries. */
export const tokenHeaders = (token) => ({
  [TOKEN]: token,
  'set-cookie': `${TOKEN}=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${COOKIE_FOR_S}`,
});

/** Told once: a client whose token is not taken back would hear of it with each request. Whoever sent it as a header drops it himself. */
export const forgetToken = { 'set-cookie': `${TOKEN}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0` };

function cookieIn(header = '') {
  const found = header.split(';').find((part) => part.trim().startsWith(`${TOKEN}=`));
  return found?.trim().slice(TOKEN.length + 1);
}
