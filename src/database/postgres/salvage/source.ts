import type pg from 'pg';
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { FarshoreError } from '../../../base/errors.ts';
import { type Local, type Row, text } from '../connections.ts';
import { makePrivate } from '../files.ts';
import { runTool } from '../run-tool.ts';
import { literal } from './replay.ts';
import { SLOT } from './slot.ts';

/** A line of the output plugin, and where its record is. Of a commit: where it ends. */
export interface DecodedRow {
  readonly lsn: string;
  readonly xid: string;
  readonly data: string;
}

/** What the slot still holds, in the order of the commits. May be read again: looking takes nothing away. */
export interface DecodedSource {
  rows(): AsyncIterable<DecodedRow>;
  close(): Promise<void>;
}

const PEEK = `pg_logical_slot_peek_changes('${SLOT}', NULL, NULL, 'include-timestamp', '1')`;
const FETCH_ROWS = 2_000;

/** How values are written as text. The script sets the same. */
export const VALUE_SETTINGS = [
  "TimeZone = 'UTC'",
  "DateStyle = 'ISO, MDY'",
  "IntervalStyle = 'postgres'",
  'extra_float_digits = 1',
];

/** PostgreSQL 16 and later decode on the isolated standby itself. */
export function decodeHere(client: pg.Client): DecodedSource {
  return {
    async *rows() {
      for (const setting of VALUE_SETTINGS) await client.query(`SET ${setting}`);
      await client.query('BEGIN');
      try {
        await client.query(`DECLARE decoded NO SCROLL CURSOR FOR SELECT lsn::text, xid::text, data FROM ${PEEK}`);
        for (;;) {
          const { rows } = await client.query<Row>(`FETCH ${FETCH_ROWS} FROM decoded`);
          if (rows.length === 0) return;
          for (const row of rows) yield { lsn: text(row, 'lsn'), xid: text(row, 'xid'), data: text(row, 'data') };
        }
      } finally {
        await client.query('ROLLBACK').catch(() => undefined);
      }
    },
    async close() {},
  };
}

/**
 * PostgreSQL 15 does not decode during recovery. A copy of the stopped data directory ends its recovery by itself, in
 * single-user mode: no socket, no network, no other process. The copy is removed; the directory stays as it was.
 */
export async function decodeOnCopy(local: Local): Promise<DecodedSource> {
  const { config } = local;
  const home = join(dirname(config.dataDir), 'salvage-copy');
  const [data, out] = [join(home, 'data'), join(home, 'decoded.tsv')];
  await rm(home, { recursive: true, force: true });
  const close = (): Promise<void> => rm(home, { recursive: true, force: true });
  try {
    await makePrivate(home, config.runAs);
    await copyFolder(config.dataDir, data, config.runAs);
    await rm(join(data, 'standby.signal'), { force: true });
    const settings = ['listen_addresses=', 'autovacuum=off', 'archive_mode=off', 'synchronous_standby_names='];
    const args = ['--single', '-D', data, ...settings.flatMap((setting) => ['-c', setting]), 'app'];
    const sets = VALUE_SETTINGS.map((setting) => `SET ${setting}`);
    const input = [...sets, `COPY (SELECT lsn, xid, data FROM ${PEEK}) TO ${literal(out)}`].join('\n');
    const { ok, output } = await runTool(config, 'postgres', args, config.runAs, `${input}\n`);
    // Single-user mode goes on after an error, and ends well.
    const said = output.split('\n').filter((line) => /\b(ERROR|FATAL|PANIC):/.test(line));
    if (!ok || said.length > 0) throw problem(said.at(-1) ?? output.trim().slice(-300));
  } catch (error) {
    await close();
    throw error;
  }
  return { rows: () => readCopy(out), close };
}

function problem(said: string): FarshoreError {
  return new FarshoreError(/No space left/.test(said) ? 'FSH_DISK_FULL' : 'FSH_FAILED', `decoding on a copy: ${said}`);
}

async function* readCopy(path: string): AsyncIterable<DecodedRow> {
  for await (const line of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: 0 })) {
    const [lsn, xid, data] = line.split('\t').map(unescapeCopy);
    if (lsn !== undefined && xid !== undefined && data !== undefined) yield { lsn, xid, data };
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
/** PostgreSQL's COPY text format. */
const unescapeCopy = (field: string): string => field.replace(/\\(.)/gs, (_, c: string) => ESCAPES[c] ?? c);

/** `cp -a` shares blocks where the file system can. */
function copyFolder(
  from: string,
  to: string,
  runAs: { readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  const user = runAs === null ? {} : { uid: runAs.uid, gid: runAs.gid };
  const child = spawn('cp', ['-a', from, to], { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/', ...user });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    said = (said + part).slice(-1_000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(problem(said.trim()))));
  });
}
