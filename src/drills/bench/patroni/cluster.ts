import { execFileSync, type ChildProcess, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  allProcesses,
  killExactly,
  type ProcessStat,
  withDescendants,
  workingDirectoryOf,
} from '../../../world/proc.ts';
import { pause } from '../../monotonic.ts';

/** How Patroni is told to wait, in seconds. */
export interface PatroniTimings {
  readonly ttl: number;
  readonly loopWait: number;
  readonly retryTimeout: number;
}

export const BIN_DIR = '/usr/lib/postgresql/15/bin';
const PROGRAMS = ['/usr/bin/patroni', '/usr/bin/etcd', join(BIN_DIR, 'postgres')];

/** What this bench needs and this machine lacks. */
export const missingPrograms = (): readonly string[] => PROGRAMS.filter((path) => !existsSync(path));

export interface Member {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly timeline: number;
}

interface Node {
  readonly name: string;
  readonly restPort: number;
  readonly postgresPort: number;
  readonly folder: string;
  child: ChildProcess | null;
}

/** Patroni on one etcd and two nodes, all on loopback, synchronous, everything as Debian ships it. */
export class PatroniCluster {
  readonly #folder: string;
  readonly #password: string;
  readonly #timings: PatroniTimings;
  readonly #etcdPort: number;
  readonly #user = unprivileged();
  readonly nodes: readonly Node[];
  #etcd: ChildProcess | null = null;

  constructor(folder: string, basePort: number, password: string, timings: PatroniTimings) {
    this.#folder = folder;
    this.#password = password;
    this.#timings = timings;
    this.#etcdPort = basePort;
    this.nodes = ['n1', 'n2'].map((name, at) => ({
      name,
      restPort: basePort + 2 + 2 * at,
      postgresPort: basePort + 3 + 2 * at,
      folder: join(folder, name),
      child: null,
    }));
  }

  start(): void {
    const [client, peer] = [this.#etcdPort, this.#etcdPort + 1].map((port) => `http://127.0.0.1:${port}`);
    const log = openSync(join(this.#folder, 'etcd.log'), 'a');
    const urls = ['--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer];
    const more = ['--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`];
    const args = ['--data-dir', join(this.#folder, 'etcd'), ...urls, ...more].map(String);
    this.#etcd = spawn('/usr/bin/etcd', args, { stdio: ['ignore', log, log] });
    for (const node of this.nodes) {
      mkdirSync(join(node.folder, 'run'), { recursive: true });
      for (const path of [this.#folder, node.folder, join(node.folder, 'run')]) this.#own(path);
      writeFileSync(join(node.folder, 'patroni.json'), JSON.stringify(this.#config(node)), { mode: 0o600 });
      this.#own(join(node.folder, 'patroni.json'));
      this.startNode(node.name);
    }
  }

  startNode(name: string): void {
    const node = this.#node(name);
    const log = openSync(join(node.folder, 'patroni.log'), 'a');
    // Patroni reads YAML, and JSON is YAML.
    const options = { stdio: ['ignore', log, log] as ['ignore', number, number], cwd: node.folder, ...this.#user };
    node.child = spawn('/usr/bin/patroni', [join(node.folder, 'patroni.json')], options);
  }

  /** The members as one node sees them that answers; null when none does. */
  async members(): Promise<readonly Member[] | null> {
    for (const node of this.nodes) {
      try {
        const answer = await fetch(`http://127.0.0.1:${node.restPort}/cluster`, { signal: AbortSignal.timeout(500) });
        return ((await answer.json()) as { readonly members: readonly Member[] }).members;
      } catch {
        // The other one.
      }
    }
    return null;
  }

  /** Two members, one of them the leader and the other in the synchronous set. */
  async whole(withinMs: number): Promise<{ readonly leader: string; readonly tookMs: number } | null> {
    const startedMs = performance.now();
    for (;;) {
      const tookMs = performance.now() - startedMs;
      const members = (await this.members()) ?? [];
      const leader = members.find((it) => it.role === 'leader' && it.state === 'running');
      if (leader !== undefined && members.some((it) => it.role === 'sync_standby'))
        return { leader: leader.name, tookMs };
      if (tookMs > withinMs) return null;
      await pause(50);
    }
  }

  async switchover(leader: string): Promise<void> {
    const body = JSON.stringify({ leader });
    await fetch(`http://127.0.0.1:${this.#node(leader).restPort}/switchover`, { method: 'POST', body });
  }

  /** Patroni, its PostgreSQL, and everything below the two. */
  processesOf(name: string): readonly ProcessStat[] {
    const node = this.#node(name);
    const all = allProcesses();
    const roots = all.filter(
      (it) => it.pid === node.child?.pid || workingDirectoryOf(it.pid) === join(node.folder, 'data'),
    );
    return withDescendants(new Set(roots.map((it) => it.pid)), all);
  }

  signal(name: string, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): number {
    const found = this.processesOf(name);
    for (const { pid } of found) {
      try {
        process.kill(pid, signal);
      } catch {
        // It ended meanwhile.
      }
    }
    return found.length;
  }

  async stop(): Promise<void> {
    for (const { name } of this.nodes)
      for (let round = 0; round < 20 && this.processesOf(name).length > 0; round++) {
        for (const found of this.processesOf(name)) killExactly(found);
        await pause(50);
      }
    this.#etcd?.kill('SIGKILL');
  }

  #node(name: string): Node {
    const node = this.nodes.find((it) => it.name === name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  #own(path: string): void {
    if (this.#user.uid !== undefined && this.#user.gid !== undefined) chownSync(path, this.#user.uid, this.#user.gid);
  }

  #config({ name, restPort, postgresPort, folder }: Node): object {
    const { ttl, loopWait, retryTimeout } = this.#timings;
    const rest = `127.0.0.1:${restPort}`;
    const postgres = `127.0.0.1:${postgresPort}`;
    return {
      scope: 'bench',
      name,
      restapi: { listen: rest, connect_address: rest },
      etcd3: { host: `127.0.0.1:${this.#etcdPort}` },
      bootstrap: {
        dcs: {
          ttl,
          loop_wait: loopWait,
          retry_timeout: retryTimeout,
          synchronous_mode: true,
          postgresql: { use_pg_rewind: true },
        },
        initdb: [{ encoding: 'UTF8' }, 'data-checksums'],
      },
      postgresql: {
        listen: postgres,
        connect_address: postgres,
        data_dir: join(folder, 'data'),
        bin_dir: BIN_DIR,
        pgpass: join(folder, 'pgpass'),
        authentication: {
          superuser: { username: 'postgres', password: this.#password },
          replication: { username: 'replicator', password: this.#password },
          rewind: { username: 'rewind', password: this.#password },
        },
        parameters: { unix_socket_directories: join(folder, 'run') },
        pg_hba: [
          'local all all trust',
          'host all all 127.0.0.1/32 scram-sha-256',
          'host replication all 127.0.0.1/32 scram-sha-256',
        ],
      },
    };
  }
}

/** PostgreSQL refuses to run as root. */
function unprivileged(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
