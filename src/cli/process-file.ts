import { existsSync } from 'node:fs';
import { FarshoreError } from '../base/errors.ts';
import { readArguments } from './arguments.ts';

/**
 * The file that describes one process of a world: `farshore agent FILE`. Null after `--help`, which was then answered.
 * Throws FSH_USAGE when there is none.
 */
export function processFile(verb: string, argv: readonly string[]): string | null {
  const { values, positionals } = readArguments(argv, {}, 1);
  if (values.help === true) {
    process.stdout.write(
      `Usage: farshore ${verb} FILE\n\nOne process of a world, until SIGTERM. The supervisor starts it with a FILE of STATE/config.\n`,
    );
    return null;
  }
  const [file] = positionals;
  if (file === undefined) throw new FarshoreError('FSH_USAGE', `which file describes it? farshore ${verb} FILE`);
  if (!existsSync(file)) throw new FarshoreError('FSH_USAGE', `there is no file ${file}`);
  return file;
}
