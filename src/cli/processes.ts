import { fileURLToPath } from 'node:url';
import { processFile } from './process-file.ts';

/** These read their FILE from `process.argv[2]`, as when they are started without the command line around them. */
async function runMain(main: string, verb: string, argv: readonly string[]): Promise<number> {
  const file = processFile(verb, argv);
  if (file === null) return 0;
  process.argv = [process.execPath, fileURLToPath(new URL(main, import.meta.url)), file];
  await import(process.argv[1] ?? '');
  return new Promise(() => undefined);
}

export const store = (argv: readonly string[]): Promise<number> =>
  runMain('../coordination/embedded/main.js', 'store', argv);
export const link = (argv: readonly string[]): Promise<number> => runMain('../world/link/main.js', 'link', argv);
