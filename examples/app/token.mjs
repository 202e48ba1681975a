// Reading one's own writes: after a write the client gets a token that says up to where a replica must have replayed, so that it
// shows this write. It comes back as a header or a cookie. A replica that is not there yet is given a moment; then the primary is
// asked. Signed, so that nobody can send every read to the primary with a token that he made up.
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
    /** `position`: `{ epoch, lsn }` of the primary after the write. */
    make({ epoch, lsn }) {
      const text = `${epoch}.${lsn.replace('/', '-')}`;
      return `${text}.${sign(text)}`;
    },
    /** The position that a request carries, or null. */
    of({ headers }) {
      const given = headers[TOKEN] ?? cookieIn(headers.cookie);
      const match = /^((\d{1,15})\.([0-9A-F]{1,8})-([0-9A-F]{1,8}))\.([\w-]{43})$/.exec(given ?? '');
      if (match === null || !timingSafeEqual(Buffer.from(match[5]), Buffer.from(sign(match[1])))) return null;
      return { epoch: Number(match[2]), lsn: `${match[3]}/${match[4]}` };
    },
  };
}

/** What an answer to a write carries. */
export const tokenHeaders = (token) => ({
  [TOKEN]: token,
  'set-cookie': `${TOKEN}=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${COOKIE_FOR_S}`,
});

function cookieIn(header = '') {
  const found = header.split(';').find((part) => part.trim().startsWith(`${TOKEN}=`));
  return found?.trim().slice(TOKEN.length + 1);
}
