import { parseArgs } from 'node:util';
import { BREAKAGES, type Breakage } from './breakages.ts';
import { type Ran, runSeed, shrink, tellFaults } from './run.ts';

import { asAsync, asGuarded, type Parts } from './world.ts';

const out = (text: string): void => void process.stdout.write(`${text}\n`);

function tell(ran: Ran): void {
  const width = Math.max(...ran.lines.map((line) => line.who.length));
  for (const { atMs, who, what } of ran.lines) out(`${atMs.toFixed(0).padStart(7)}  ${who.padEnd(width)}  ${what}`);
  out(`seed ${ran.seed}: ${ran.shape}; ${ran.acked} writes acknowledged, epoch ${ran.epochs}, ${ran.events} events`);
  for (const violation of ran.violations) out(`VIOLATION ${violation}`);
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

const MODES: Readonly<Record<string, (parts: Parts) => Parts>> = {
  drawn: (parts) => parts,
  async: asAsync,
  guarded: asGuarded,
};

const optionsOf = (
  breakage: Breakage | undefined,
  asMode: (parts: Parts) => Parts,
): Pick<Breakage, 'faults' | 'change'> => ({
  change: (parts) => (breakage?.change ?? ((it: Parts) => it))((breakage?.asMode ?? asMode)(parts)),
  ...(breakage?.faults === undefined ? {} : { faults: breakage.faults }),
});

/** Runs seeds until the last one or the time is over; prints every violation with the command that replays it. */
async function hunt(
  first: number,
  last: number,
  minutes: number,
  breakage: Breakage | undefined,
  mode: { readonly name: string; readonly change: (parts: Parts) => Parts },
): Promise<number> {
  const beganMs = cpuMs();
  const untilMs = performance.now() + minutes * 60_000;
  const options = optionsOf(breakage, mode.change);
  let lost = 0;
  let ran = 0;
  let bad = 0;
  let takeovers = 0;
  for (let seed = first; seed <= last && performance.now() < untilMs; seed++) {
    const one = await runSeed(seed, options);
    ran += 1;
    lost += one.lost;
    takeovers += Math.max(0, one.epochs - 1);
    if (one.violations.length === 0) continue;
    bad += 1;
    out(`seed ${seed} (${one.shape}): ${one.violations[0]}`);
    out(`  needs: ${tellFaults(await shrink(one, options.change))}`);
    out(
      `  npm run sim -- --seed ${seed}${mode.name === 'drawn' ? '' : ` --mode ${mode.name}`}${breakage === undefined ? '' : ` --breakage ${breakage.name}`}`,
    );
  }
  const perMinute = Math.round((ran * 60_000) / (cpuMs() - beganMs));
  out(
    `${ran} schedules from seed ${first}, ${takeovers} takeovers${lost > 0 ? `, ${lost} writes lost within the bound` : ''}: ${bad} with a violation; ${perMinute} a minute of one core`,
  );
  return bad === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1..500' },
      seed: { type: 'string' },
      minutes: { type: 'string', default: '1000000' },
      breakage: { type: 'string' },
      mode: { type: 'string', default: 'drawn' },
    },
  });
  const asMode = MODES[values.mode];
  if (asMode === undefined) {
    out(`no such mode; there are: ${Object.keys(MODES).join(', ')}`);
    return 64;
  }
  const breakage = BREAKAGES.find(({ name }) => name === values.breakage);
  if (values.breakage !== undefined && breakage === undefined) {
    out(`no such breakage; there are: ${BREAKAGES.map(({ name }) => name).join(', ')}`);
    return 64;
  }
  if (values.seed !== undefined) {
    const ran = await runSeed(Number(values.seed), {
      tells: true,
      ...optionsOf(breakage, asMode),
    });
    tell(ran);
    return ran.violations.length === 0 ? 0 : 1;
  }
  const [first = 1, last = 500] = values.seeds.split('..').map(Number);
  return hunt(first, last, Number(values.minutes), breakage, { name: values.mode, change: asMode });
}

process.exitCode = await main();
