import { libc } from '../../system/libc.ts';
import type { LookOnce } from './look.ts';
import { lookByNode } from './look-by-node.ts';
import { OwnLooks } from './own-looks.ts';

/** The one of this process; null where looks are made by Node's sockets alone. */
const own = libc === null ? null : new OwnLooks(libc);

/**
 * Looks once, on a connection of its own: a process that can't accept connections any more is not well, whatever it still
 * answers on old ones. Returns a function that gives up.
 */
export const lookOnce: LookOnce = (options) => own?.look(options) ?? lookByNode(options);
