import type { Clock } from '../../base/clock.ts';
import { collect } from '../etcd/exchange.ts';
import { request } from 'node:http';

const RETRY_MS = 200;
const TIMEOUT_MS = 3_000;

/** etcd's words; the codes are shared with other errors. */
const OFF = 'etcdserver: authentication is not enabled';
const THERE_ALREADY = 'etcdserver: user name already exists';

/**
 * Turns etcd's authentication on at the first start: a user with every right, whose password all processes of the
 * deployment hold. Every member tries; each step may have been done by another. Resolves when a login works: the whole
 * cluster asks for one from then on, after any restart. Until then clients write nothing, because they log in first.
 */
export async function protect(
  client: { readonly host: string; readonly port: number },
  password: string,
  clock: Pick<Clock, 'sleep'>,
  alive: () => boolean,
): Promise<void> {
  const call = (path: string, body: object): Promise<string | null> => errorOf(client, path, body);
  while (alive()) {
    const login = await call('/v3/auth/authenticate', { name: 'root', password });
    if (login === null) return;
    if (login === OFF) {
      const made = await call('/v3/auth/user/add', { name: 'root', password });
      if (made === null || made === THERE_ALREADY) {
        const granted = await call('/v3/auth/user/grant', { user: 'root', role: 'root' });
        if (granted === null) await call('/v3/auth/enable', {});
      }
    }
    await clock.sleep(RETRY_MS);
  }
}

/** Null when the call succeeded; else what was wrong. */
function errorOf(
  client: { readonly host: string; readonly port: number },
  path: string,
  body: object,
): Promise<string | null> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const asked = request({ ...client, path, method: 'POST', agent: false, signal }, (answer) => {
      collect(answer).then(
        (text) => resolve(answer.statusCode === 200 ? null : messageIn(text)),
        (error: unknown) => resolve(String(error)),
      );
    });
    asked.once('error', (error) => resolve(String(error)));
    asked.end(JSON.stringify(body));
  });
}

function messageIn(text: string): string {
  try {
    const { message, error } = JSON.parse(text) as { readonly message?: string; readonly error?: string };
    return message ?? error ?? text;
  } catch {
    return text;
  }
}
