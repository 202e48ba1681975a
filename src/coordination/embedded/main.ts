import { FarshoreError, messageOf } from '../../base/errors.ts';
import { runStore } from './run.ts';

// The embedded store as its own process: `node main.js FILE`.
const [file] = process.argv.slice(2);
try {
  if (file === undefined) throw new FarshoreError('FSH_USAGE', 'usage: store FILE');
  await runStore(file);
} catch (error) {
  const fix = error instanceof FarshoreError ? ` (${error.code})\n  ${error.fix}` : '';
  process.stderr.write(`${messageOf(error)}${fix}\n`);
  process.exit(error instanceof FarshoreError ? error.exit : 1);
}
