import { open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { slug } from '../../../base/ids.ts';
import type { PostgresConfig } from '../../../ports/config.ts';
import type { Salvage } from '../../../ports/database.ts';
import { exists, makePrivate, syncPath, writeWhole } from '../files.ts';
import type { Change, Column } from './changes.ts';
import { SCRIPT_HEAD, type TableShape, replay } from './replay.ts';

/** Beside the node's own data, so that no row leaves its region (P11.3). */
export const salvageRoot = (config: PostgresConfig): string => join(dirname(config.dataDir), 'salvage');

export interface Transaction {
  readonly xid: string;
  readonly commitLsn: string | null;
  readonly at: string | null;
}

/** What the files do not know themselves. */
export type SalvageRest = Omit<Salvage, 'folder' | 'transactions' | 'changes' | 'tables' | 'ownChanges'>;

/** Two files, written side by side: one change a line as JSON, and a script for a person to read before it is run. */
export class SalvageFiles {
  readonly #jsonl: Output;
  readonly #sql: Output;
  readonly #shapes: ReadonlyMap<string, TableShape>;
  readonly #partial: string;
  readonly #folder: string;
  #open: string | null = null;
  readonly counts = { insert: 0, update: 0, delete: 0, truncate: 0, image: 0 };
  readonly tables: Record<string, number> = {};
  transactions = 0;
  /** Rows of which the WAL does not say which they were. */
  unknownRows = 0;
  own = 0;

  private constructor(
    jsonl: Output,
    sql: Output,
    shapes: ReadonlyMap<string, TableShape>,
    partial: string,
    folder: string,
  ) {
    this.#jsonl = jsonl;
    this.#sql = sql;
    this.#shapes = shapes;
    this.#partial = partial;
    this.#folder = folder;
  }

  /** Nothing that is there is written over: a second salvage of one operation gets a folder of its own. */
  static async begin(
    config: PostgresConfig,
    operation: string,
    about: readonly string[],
    shapes: ReadonlyMap<string, TableShape>,
  ): Promise<SalvageFiles> {
    const root = salvageRoot(config);
    await makePrivate(root, null);
    let folder = join(root, slug(operation));
    for (let n = 2; await exists(folder); n++) folder = join(root, `${slug(operation)}-${n}`);
    const partial = `${folder}.partial`;
    // What an interrupted attempt wrote is still in the data directory.
    await rm(partial, { recursive: true, force: true });
    await makePrivate(partial, null);
    const jsonl = await Output.create(join(partial, 'changes.jsonl'));
    const sql = await Output.create(join(partial, 'replay.sql'));
    await sql.write(`${about.map((line) => `-- ${line}`).join('\n')}\n${SCRIPT_HEAD}BEGIN;\n`);
    return new SalvageFiles(jsonl, sql, shapes, partial, folder);
  }

  async add(transaction: Transaction, change: Change, op: Change['op'] | 'image' = change.op): Promise<void> {
    if (change.table.startsWith('farshore.')) {
      this.own += 1;
      return;
    }
    this.counts[op] += 1;
    this.tables[change.table] = (this.tables[change.table] ?? 0) + 1;
    if (change.rowUnknown) this.unknownRows += 1;
    const { xid, commitLsn, at } = transaction;
    const line = { table: change.table, op, old: valuesOf(change.old), new: valuesOf(change.new), xid, commitLsn, at };
    await this.#jsonl.write(`${JSON.stringify(line)}\n`);
    if (this.#open !== xid) {
      this.transactions += 1;
      await this.#sql.write(`-- transaction ${xid}${commitLsn === null ? '' : `, committed ${at} at ${commitLsn}`}\n`);
    }
    this.#open = xid;
    await this.#sql.write(`${replay(change, this.#shapes.get(change.table))}\n`);
  }

  /** Everything on disk, then under its name, in one step. */
  async finish(rest: SalvageRest): Promise<Salvage> {
    await this.#sql.write('COMMIT;\n');
    await this.#jsonl.close();
    await this.#sql.close();
    const salvage: Salvage = {
      ...rest,
      folder: this.#folder,
      transactions: this.transactions,
      changes: this.counts,
      tables: this.tables,
      ownChanges: this.own,
    };
    await writeWhole(join(this.#partial, INDEX), `${JSON.stringify(salvage, null, 2)}\n`, null);
    await rename(this.#partial, this.#folder);
    await syncPath(dirname(this.#folder));
    return salvage;
  }

  async discard(): Promise<void> {
    await this.#jsonl.close().catch(() => undefined);
    await this.#sql.close().catch(() => undefined);
    await rm(this.#partial, { recursive: true, force: true });
  }
}

const INDEX = 'index.json';

/** Every salvage of this node, oldest first. */
export async function readSalvages(config: PostgresConfig): Promise<readonly Salvage[]> {
  const root = salvageRoot(config);
  const names = await readdir(root).catch(() => []);
  const found: Salvage[] = [];
  for (const name of names.filter((it) => !it.endsWith('.partial'))) {
    const index = await readFile(join(root, name, INDEX), 'utf8').catch(() => null);
    if (index !== null) found.push(JSON.parse(index) as Salvage);
  }
  return found.toSorted((a, b) => a.atWallMs - b.atWallMs);
}

const valuesOf = (columns: readonly Column[] | null): Record<string, string | null> | null =>
  columns === null ? null : Object.fromEntries(columns.map(({ name, value }) => [name, value]));

const FLUSH_BYTES = 256 * 1024;

/** A new file, mode 0600, written in large pieces and synced at the end. */
class Output {
  readonly #handle: Awaited<ReturnType<typeof open>>;
  #waiting: string[] = [];
  #bytes = 0;
  #closed = false;

  private constructor(handle: Awaited<ReturnType<typeof open>>) {
    this.#handle = handle;
  }

  static async create(path: string): Promise<Output> {
    return new Output(await open(path, 'wx', 0o600));
  }

  async write(text: string): Promise<void> {
    this.#waiting.push(text);
    this.#bytes += text.length;
    if (this.#bytes >= FLUSH_BYTES) await this.#flush();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#flush();
      await this.#handle.sync();
    } finally {
      await this.#handle.close();
    }
  }

  async #flush(): Promise<void> {
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#bytes = 0;
    await this.#handle.writeFile(text);
  }
}
