import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { processesOfRegion } from '../world/faults/processes.ts';
import type { World } from '../world/open.ts';
import { commandLineOf } from '../world/proc.ts';
import { glanceAtWorld } from '../world/status.ts';
import { monotonicMs, pause } from './monotonic.ts';
import type { DrillReport } from './report/report.ts';
import { farshore, withScratchWorld } from './scratch-world.ts';
import { UNBOUND } from './ways/resolver.ts';

const SPEC = fileURLToPath(new URL('../../examples/active-passive.yaml', import.meta.url));
const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const SCRATCH = { specPath: SPEC, rttScale: 0, env: {}, progress: () => undefined };
const drillArgs = (world: World) => ['drill', 'region-failover', '--window', '2', '--state', world.layout.stateDir];

async function until(what: string, withinMs: number, look: () => Promise<boolean>): Promise<void> {
  const endMs = monotonicMs() + withinMs;
  while (!(await look())) {
    if (monotonicMs() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pause(100);
  }
}

/** Starts a drill and resolves when it says that the region is hit. */
async function drillUntilHit(world: World, fault: string) {
  const child = spawn(process.execPath, [CLI, ...drillArgs(world), '--fault', fault], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => void (said += chunk.toString('utf8')));
  await until('the region is hit', 60_000, async () => /processes/.test(said) || child.exitCode !== null);
  if (child.exitCode !== null) throw new Error(`the drill ended early:\n${said}`);
  return { child, ended };
}

/** Caching resolvers of this world's users that run now. */
const resolversOf = (world: World): readonly string[] =>
  readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const [program = '', ...args] = commandLineOf(Number(pid)).split(' ');
    return program === UNBOUND && args.join(' ').includes(world.layout.stateDir);
  });

const INTERRUPTED = [
  ['crash', 'SIGKILL'],
  ['crash', 'SIGINT'],
  ['freeze', 'SIGKILL'],
] as const;

describe('drill region-failover on a real world', () => {
  it('loses no acknowledged write, and a killed or interrupted drill leaves no region dead or standing still (I13)', async () => {
    await withScratchWorld(SCRATCH, async (world) => {
      // A busy machine may make the generator late: inconclusive is an honest answer then, failed is not.
      const { stdout } = await farshore([...drillArgs(world), '--json'], {}, [0, 9]);
      const report = JSON.parse(stdout) as DrillReport;
      expect(report.schema).toBe('farshore.drill/v1');
      expect(report.findings.filter((finding) => finding.verdict === 'fail')).toEqual([]);
      expect(report.rpo.ledger.lost.count).toBe(0);
      expect(report.rpo.ledger.acknowledged).toBeGreaterThan(20);
      expect(report.promoted.to).not.toBe(report.promoted.from);
      expect(report.writeGap?.anyRegionMs).toBeGreaterThan(0);

      for (const [fault, signal] of INTERRUPTED) {
        await until('ready', 60_000, async () => (await glanceAtWorld(world)).state === 'ready');
        const { child, ended } = await drillUntilHit(world, fault);
        const users = resolversOf(world);
        child.kill(signal);
        await ended;
        expect(users.length, 'the drill had resolvers of its users, or this proves nothing').toBe(
          existsSync(UNBOUND) ? 2 : 0,
        );
        await until(`its users’ resolvers end after ${signal}`, 10_000, async () => resolversOf(world).length === 0);
        await until(`every region runs after ${fault} and ${signal}`, 30_000, async () => {
          const counts = await Promise.all(
            world.layout.policy.regions.map(async ({ id }) => {
              const all = await processesOfRegion(world, id);
              return all.some((it) => it.state === 'T') ? 0 : all.length;
            }),
          );
          return counts.every((count) => count > 0);
        });
      }
      await until('ready again', 60_000, async () => (await glanceAtWorld(world)).state === 'ready');
    });
  }, 300_000);
});
