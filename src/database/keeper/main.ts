import { readFileSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import type { KeeperConfig } from '../../ports/keeper.ts';
import { runKeeper } from './server.ts';

// `node dist/database/keeper/main.js FILE`: FILE holds a KeeperConfig as JSON.
const file = process.argv[2];
if (file === undefined) {
  process.stderr.write('usage: node main.js FILE\n');
  process.exit(64);
}
try {
  await runKeeper(JSON.parse(readFileSync(file, 'utf8')) as KeeperConfig);
} catch (error) {
  process.stderr.write(`keeper: ${messageOf(error)}\n`);
  process.exit(1);
}
