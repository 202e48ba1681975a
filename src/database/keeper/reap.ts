import { killProcesses } from './processes.ts';

// Started by a keeper's reaper when the keeper is gone: `node reap.js DATA_DIR`.
const dataDir = process.argv[2];
if (dataDir !== undefined) await killProcesses(dataDir, [], 30_000);
