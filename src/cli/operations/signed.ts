import { hostname, userInfo } from 'node:os';
import { FarshoreError } from '../../base/errors.ts';
import type { Signed } from '../../ports/operations.ts';
import { guessDuration, parseDuration } from '../../spec/duration.ts';

/** Who asks, as the journal names them: `--actor`, else the user of this machine. */
export function signed(actor: string | undefined, reason: string | undefined, defaultReason: string): Signed {
  return { actor: actor ?? `${user()}@${hostname()}`, reason: reason ?? defaultReason };
}

function user(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number without a name.
    return `uid-${process.getuid?.() ?? 0}`;
  }
}

/** `2h`, `15s`; FSH_USAGE with the one that was probably meant. */
export function durationOption(name: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== null && ms > 0) return ms;
  const meant = guessDuration(text);
  throw new FarshoreError(
    'FSH_USAGE',
    `--${name} must be a duration like 15s, 30m or 2h, not "${text}"${meant === null ? '' : `; did you mean ${meant}?`}`,
  );
}

/** Options of every verb that asks for something. */
export const SIGNED_OPTIONS = {
  actor: { type: 'string' },
  reason: { type: 'string' },
  json: { type: 'boolean' },
  state: { type: 'string' },
} as const;
