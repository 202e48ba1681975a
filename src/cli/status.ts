import { setTimeout as sleep } from 'node:timers/promises';
import { lookAtWorld } from '../world/status.ts';
import { readArguments } from './arguments.ts';
import { statusLines } from './status-text.ts';
import { selectWorld } from './which-world.ts';

const USAGE = `Usage: farshore status [--watch] [--json] [--exit-code] [--state DIR]

What runs where, and how old each value is. --json: schema farshore.status/v1 (docs/reference/status.md), with --watch one object a line.
--exit-code: 6 unless the world is ready.
`;

const EVERY_MS = 1_000;
const UNHEALTHY = 6;

/** `farshore status`: `argv` is what follows the verb. Resolves to the exit code. */
export async function status(argv: readonly string[]): Promise<number> {
  const options = { watch: { type: 'boolean' }, json: { type: 'boolean' }, 'exit-code': { type: 'boolean' } } as const;
  const { values } = readArguments(argv, { ...options, state: { type: 'string' } }, 0);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const world = selectWorld(values.state);
  for (;;) {
    const now = await lookAtWorld(world);
    const redraw = values.watch === true && process.stdout.isTTY && values.json !== true;
    if (redraw) process.stdout.write('\u001b[H\u001b[J');
    if (values.json === true) process.stdout.write(`${JSON.stringify(now, null, values.watch === true ? 0 : 2)}\n`);
    else process.stdout.write(`${statusLines(now).join('\n')}\n${redraw ? '' : '\n'}`);
    if (values.watch !== true) {
      await world.close();
      return values['exit-code'] === true && now.state !== 'ready' ? UNHEALTHY : 0;
    }
    await sleep(EVERY_MS);
  }
}
