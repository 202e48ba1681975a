import { messageOf } from '../../base/errors.ts';
import { runMember } from './run.ts';

// One member of etcd with its relay, as its own process: `node main.js FILE`.
const [file] = process.argv.slice(2);
try {
  if (file === undefined) throw new Error('usage: member FILE');
  process.exit(await runMember(file));
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(1);
}
