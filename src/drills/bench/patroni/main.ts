import { parseArgs } from 'node:util';
import { messageOf } from '../../../base/errors.ts';
import { measurePatroni } from './measure.ts';

const USAGE = `Usage: node dist/drills/bench/patroni/main.js [--trials N] [--base-port P] [--ttl 30] [--ttl 7]

Patroni (Debian: patroni, python3-etcd, etcd-server, postgresql-15), synchronous, two nodes and one etcd on loopback, under the load of the
drills and measured in the same way: crash and freeze of the leader's node, planned switchover. Default: 3 trials with ttl 30, and 3 with
ttl 7. One trial takes about 45 s with ttl 30 and 20 s with ttl 7: 10 minutes in all.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      trials: { type: 'string', default: '3' },
      ttl: { type: 'string', multiple: true },
      'base-port': { type: 'string', default: '23600' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return void process.stdout.write(USAGE);
  const { trials, ttl: ttls = ['30', '7'] } = values;
  const options = { trials: Number(trials), ttls, basePort: Number(values['base-port']) };
  process.stdout.write((await measurePatroni(options, (text) => void process.stderr.write(`${text}\n`))).said);
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
