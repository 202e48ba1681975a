import { describe, expect, it } from 'vitest';
import { FarshoreError } from '../base/errors.ts';
import { readArguments, wholeNumber } from './arguments.ts';

const options = { detach: { type: 'boolean' }, 'base-port': { type: 'string' } } as const;
const messageFrom = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof FarshoreError && error.exit === 64) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('arguments', () => {
  it('reads options and words', () => {
    const { values, positionals } = readArguments(['--detach', 'a b.yaml', '--base-port', '9000'], options, 1);
    expect({ ...values }).toEqual({ detach: true, 'base-port': '9000' });
    expect(positionals).toEqual(['a b.yaml']);
  });

  it('names the option that was probably meant', () => {
    expect(messageFrom(() => readArguments(['--detatch'], options, 0))).toBe(
      'unknown option --detatch; did you mean --detach?',
    );
    expect(messageFrom(() => readArguments(['--xyzzy'], options, 0))).toBe('unknown option --xyzzy');
  });

  it('refuses more words than the verb takes, and an option without its value', () => {
    expect(messageFrom(() => readArguments(['a', 'b'], options, 1))).toBe('unexpected "b"');
    // The second one is taken for the next option, not for its value.
    for (const argv of [['--base-port'], ['--base-port', '--detach']])
      expect(messageFrom(() => readArguments(argv, options, 1))).toBe('--base-port needs a value');
  });

  it('says in its own words what is wrong', () => {
    expect(messageFrom(() => readArguments(['--detach=yes'], options, 0))).toBe('--detach takes no value');
    expect(messageFrom(() => readArguments(['--help=yes'], options, 0))).toBe('--help takes no value');
    expect(messageFrom(() => readArguments(['-x'], options, 0))).toBe('unknown option -x');
  });

  it('knows --help in every verb', () => {
    expect(readArguments(['-h'], options, 0).values.help).toBe(true);
  });

  it('takes whole numbers within bounds only', () => {
    expect(wholeNumber('n', undefined, 1, 9)).toBe(undefined);
    expect(wholeNumber('n', '9', 1, 9)).toBe(9);
    for (const bad of ['0', '10', '1.5', 'x', '', ' '])
      expect(messageFrom(() => wholeNumber('n', bad, 1, 9))).toMatch(/--n/);
  });
});
