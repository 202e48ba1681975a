/**
 * `npm run ok`: the unit tests, and beside them what only reads the text, one after another. Alone, each of them leaves a part of two
 * cores idle: the tests while they load and at their end, knip all the time. Ends with 1 when any of them failed, after all have ended.
 */
import { spawn } from 'node:child_process';

const READ = ['format:check', 'types', 'lint', 'dead'];
const TEST = ['unit'];

/** What it printed comes in one piece, or two at once could not be told apart. */
const run = (script) =>
  new Promise((resolve) => {
    const from = performance.now();
    const child = spawn('npm', ['run', '--silent', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk.toString()));
    child.on('close', (code) => {
      const seconds = ((performance.now() - from) / 1000).toFixed(1);
      process.stdout.write(`${said}${code === 0 ? 'ok' : 'FAILED'} ${script} ${seconds} s\n`);
      resolve(code === 0 ? [] : [script]);
    });
  });

const chain = async (scripts) => {
  const failed = [];
  for (const script of scripts) failed.push(...(await run(script)));
  return failed;
};

const failed = (await Promise.all([chain(TEST), chain(READ)])).flat();
if (failed.length > 0) process.stderr.write(`failed: ${failed.join(', ')}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
