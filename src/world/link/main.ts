import { readFileSync, rmSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import type { LinkConfig } from '../../ports/config.ts';
import { serveControl } from './control.ts';
import { Relay } from './relay.ts';

const TIDY_EVERY_MS = 5_000;
/** A relay that has not carried much stays below. */
const TIDY_ABOVE_BYTES = 56 * 1024 * 1024;

/** The relay process: `node dist/world/link/main.js FILE` (LinkConfig). Lean on purpose: a world runs a dozen of them. */
async function main(file: string | undefined): Promise<void> {
  if (file === undefined) throw new Error('usage: link FILE');
  const config = JSON.parse(readFileSync(file, 'utf8')) as LinkConfig;
  const relay = new Relay(config);
  rmSync(config.controlSocketPath, { force: true });
  const control = await serveControl(relay, config.controlSocketPath);
  await relay.listen();
  setInterval(() => tidyUp(relay), TIDY_EVERY_MS).unref();
  const stop = (): void => {
    relay.close();
    control.close();
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** After a base backup its buffers are garbage, but nothing collects it in a process that idles. */
function tidyUp(relay: Relay): void {
  const { inFlightBytes } = relay.status();
  if (inFlightBytes.forward + inFlightBytes.back > 0 || process.memoryUsage.rss() < TIDY_ABOVE_BYTES) return;
  globalThis.gc?.();
}

main(process.argv[2]).catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(1);
});
