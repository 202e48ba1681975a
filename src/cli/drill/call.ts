import type { readArguments } from '../arguments.ts';

export const OPTIONS = {
  fault: { type: 'string' },
  cut: { type: 'string' },
  region: { type: 'string' },
  minutes: { type: 'string' },
  trials: { type: 'string' },
  window: { type: 'string' },
  junit: { type: 'string' },
  json: { type: 'boolean' },
  state: { type: 'string' },
} as const;

/** One `farshore drill NAME`. */
export interface Call {
  /** The word after the name. */
  readonly extra: string | undefined;
  readonly values: ReturnType<typeof readArguments<typeof OPTIONS>>['values'];
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}
