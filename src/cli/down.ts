import { stopWorld } from '../world/stop.ts';
import { readArguments } from './arguments.ts';
import { selectWorld } from './which-world.ts';

const USAGE = `Usage: farshore down [--state DIR]

Stops every process of a world, also when its supervisor is gone. The data stays; \`farshore up\` goes on from there.
`;

/** `farshore down`: `argv` is what follows the verb. Resolves to the exit code. */
export async function down(argv: readonly string[]): Promise<number> {
  const { values } = readArguments(argv, { state: { type: 'string' } }, 0);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const world = selectWorld(values.state);
  const { how, killed } = await stopWorld(world.layout);
  const said = {
    stopped: 'stopped',
    killed: `its supervisor was gone: ${killed} processes killed`,
    'was-down': 'was not running',
  }[how];
  process.stdout.write(
    `${world.layout.deployment}: ${said}; no process left, all data kept in ${world.layout.stateDir}\n`,
  );
  await world.close();
  return 0;
}
