import { parseArgs } from 'node:util';
import { type Finding, type Search, SEARCHES } from './search.ts';

const USAGE = `Usage: npm run model -- [scopes|mutants|NAME...] [--seconds N] [--trace]

Searches every interleaving of the failover protocol on small scopes.
  scopes     no violation may be found, and a write can always be acknowledged again after repair
  mutants    every deliberate mistake, and every unsafe reading of the protocol, must be caught
  NAME       one search; its counterexample is printed
Without arguments: both. --seconds: limit of each search, default 110. --trace: print every counterexample.
`;

const STATES_MAX = 6_000_000;

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: 'string' }, trace: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help === true) return void process.stdout.write(USAGE);
  const chosen = choose(positionals);
  if (chosen.length === 0) {
    process.stderr.write(`no search of that name. There are: ${SEARCHES.map(({ name }) => name).join(', ')}\n`);
    process.exitCode = 64;
    return;
  }
  const isNamed = positionals.length > 0 && chosen.length === positionals.length;
  let bad = 0;
  for (const search of chosen) {
    const startedMs = performance.now();
    const endMs = startedMs + Number(values.seconds ?? 110) * 1_000;
    const finding = search.run({ statesMax: STATES_MAX, isOver: () => performance.now() > endMs });
    const showTrace = isNamed || values.trace === true || !finding.isAsExpected;
    process.stdout.write(render(finding, performance.now() - startedMs, showTrace));
    if (!finding.isAsExpected) bad += 1;
  }
  process.stdout.write(
    `${chosen.length} searches, ${bad === 0 ? 'all as they should be' : `${bad} NOT as they should be`}\n`,
  );
  process.exitCode = bad === 0 ? 0 : 1;
}

function choose(wanted: readonly string[]): readonly Search[] {
  if (wanted.length === 0) return SEARCHES;
  const isWanted = ({ name, kind }: Search): boolean => wanted.includes(name) || wanted.includes(`${kind}s`);
  return SEARCHES.filter(isWanted);
}

function render({ name, verdict, stateCount, what, trace }: Finding, tookMs: number, showTrace: boolean): string {
  const columns = [
    name.padEnd(32),
    verdict.padEnd(12),
    String(stateCount).padStart(8),
    'states',
    (tookMs / 1_000).toFixed(1).padStart(6),
    's ',
    what,
  ];
  const steps = showTrace ? trace.map((step, i) => `  ${i + 1}. ${step}\n`).join('') : '';
  return `${columns.join(' ').trimEnd()}\n${steps}`;
}

main();
