import { type ParseArgsConfig, parseArgs } from 'node:util';
import { FarshoreError, messageOf } from '../base/errors.ts';
import { nearest } from '../spec/nearest.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/**
 * Options and words behind a verb. An unknown option is a FSH_USAGE that names the nearest known one.
 * `-h` and `--help` are added to every verb; `most` bounds the words.
 */
export function readArguments<T extends Options>(argv: readonly string[], options: T, most: number) {
  const all = { ...options, help: { type: 'boolean', short: 'h' } } as const;
  try {
    const parsed = parseArgs({ args: [...argv], options: all, allowPositionals: true, strict: true });
    const extra = parsed.positionals[most];
    if (extra !== undefined) throw new FarshoreError('FSH_USAGE', `unexpected "${extra}"`);
    return parsed;
  } catch (error) {
    if (error instanceof FarshoreError) throw error;
    throw new FarshoreError('FSH_USAGE', explain(messageOf(error), Object.keys(all)), error);
  }
}

/** Node's own text names its function's options and flags; a person asked for none of them. */
function explain(message: string, known: readonly string[]): string {
  const unknown = /^Unknown option '(--?)([^']*)'/.exec(message);
  if (unknown !== null) {
    const [, dashes = '', name = ''] = unknown;
    const meant = nearest(name, known);
    return `unknown option ${dashes}${name}${meant === null ? '' : `; did you mean --${meant}?`}`;
  }
  const named = /^Option '(?:-\w, )?(--[^\s']+)[^']*' (argument|does not)/.exec(message);
  if (named !== null) return named[2] === 'argument' ? `${named[1]} needs a value` : `${named[1]} takes no value`;
  return message.split('\n')[0] ?? message;
}

/** A whole number given as an option, within bounds; undefined when it was not given. */
export function wholeNumber(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most && text.trim() !== '') return value;
  throw new FarshoreError('FSH_USAGE', `--${name} must be a whole number from ${least} to ${most}, not "${text}"`);
}
