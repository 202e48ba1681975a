import { FarshoreError } from '../base/errors.ts';
import { nearest } from '../spec/nearest.ts';
import { importTable } from './facts/import.ts';
import { regions, show } from './facts/regions.ts';
import { rtt } from './facts/rtt.ts';
import { verify } from './facts/verify.ts';

const USAGE = `Usage: farshore facts COMMAND      farshore facts COMMAND --help

What Farshore knows about the world: regions, round trips, prices, people, carbon, law, hazards (docs/guide/facts.md).

  rtt A B       the round trip between two regions or places, how it was found, and how far off it may be
  regions       the regions
  show REGION   everything about one
  verify        are the packs, or a table, to be trusted?
  import FILE   take a newer table of round trips over
`;

const COMMANDS: Readonly<Record<string, (argv: readonly string[]) => number>> = {
  rtt,
  regions,
  show,
  verify,
  import: importTable,
};

/** `farshore facts COMMAND`: `argv` is what follows the verb. Resolves to the exit code. */
export async function facts(argv: readonly string[]): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined || word === '--help' || word === '-h') {
    process.stdout.write(USAGE);
    return word === undefined ? 64 : 0;
  }
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  if (command !== undefined) return command(rest);
  const meant = nearest(word, Object.keys(COMMANDS));
  const hint = meant === null ? '' : `; did you mean \`farshore facts ${meant}\`?`;
  throw new FarshoreError('FSH_USAGE', `facts has no command "${word}"${hint}`);
}
