import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { StoreConfig } from '../../ports/config.ts';
import { WALL_CLOCK_VARIABLE, wallClock } from '../../telemetry/wall-clock.ts';
import { startStore } from './start.ts';

const configSchema = z.strictObject({
  listen: z.strictObject({ host: z.string(), port: z.number().int().min(0).max(65_535) }),
  dataDir: z.string().min(1),
  secretsPath: z.string().min(1),
});

/** Times of this process only. */
const clock = { nowMs: () => performance.now(), wallMs: wallClock(process.env[WALL_CLOCK_VARIABLE]) };

/** `farshore store FILE`: runs until SIGTERM or SIGINT. Prints one JSON object a line; the first says on which port it listens. */
export async function runStore(configPath: string): Promise<void> {
  const say = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);
  const lost = (why: string): void => {
    process.stderr.write(`the store ends because its disk can no longer be trusted: ${why}\n`);
    process.exit(1);
  };
  const store = await startStore(await readConfig(configPath), { clock, tell: say, lost });
  say({ event: 'ready', port: store.port, pid: process.pid });
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
  });
  say({ event: 'stopping', signal });
  await store.close();
}

async function readConfig(path: string): Promise<StoreConfig> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new FarshoreError('FSH_SPEC_INVALID', `cannot read ${path}: ${messageOf(error)}`);
  }
  const config = configSchema.safeParse(json);
  if (config.success) return config.data;
  throw new FarshoreError('FSH_SPEC_INVALID', `${path}: ${z.prettifyError(config.error)}`);
}
