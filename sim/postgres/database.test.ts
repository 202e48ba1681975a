import { type ContractNode, databaseContract, type DatabaseRig } from '../../src/database/database.contract.ts';
import { type NodeId, nodeId } from '../../src/base/ids.ts';
import { Machine, Process, Scheduler } from '../clock.ts';
import { PLACES } from '../cluster.ts';
import { Links } from '../links.ts';
import { Rng } from '../rng.ts';
import { SimDatabase } from './database.ts';
import { PgHost } from './host.ts';
import { USUAL } from './server.ts';

/** Time passes only while somebody waits for an answer of the model. */
class Drive {
  readonly scheduler = new Scheduler();
  #waiting = 0;
  #runs = false;

  async while<T>(asked: Promise<T>): Promise<T> {
    this.#waiting += 1;
    if (!this.#runs) {
      this.#runs = true;
      void this.scheduler
        .run(() => this.#waiting === 0)
        .finally(() => {
          this.#runs = false;
        });
    }
    try {
      return await asked;
    } finally {
      this.#waiting -= 1;
    }
  }
}

function contractNode(host: PgHost, drive: Drive, caller: Process): ContractNode {
  const db = new SimDatabase(host, caller);
  return {
    node: host.node,
    db: new Proxy(db, {
      get: (whole, name: keyof SimDatabase) => {
        const call = whole[name] as (...args: unknown[]) => Promise<unknown>;
        return (...args: unknown[]) => drive.while(call.apply(whole, args));
      },
    }),
    upstream: (epoch) => ({ node: host.node, epoch, host: host.node, port: 1 }),
    write: () =>
      drive.while(
        new Promise((resolve) => {
          const server = host.running;
          if (server === null || !server.up) return resolve('lost');
          server.commit({ kind: 'row', id: 1 }, true, (how) => resolve(how === 'cancelled' ? 'warned' : how));
        }),
      ),
    rows: async () => host.running?.rowsSeen() ?? 0,
    async cancelWaits() {
      let count = 0;
      while (host.running?.cancelWait() === true) count += 1;
      return count;
    },
    async holdCheckpointer() {
      const server = host.running;
      if (server === null) throw new Error('PostgreSQL does not run');
      const usual = server.delays;
      server.delays = {
        ...usual,
        reloadMs: (rng, who) => (who === 'checkpointer' ? Number.POSITIVE_INFINITY : usual.reloadMs(rng, who)),
      };
      return async () => {
        server.delays = usual;
        server.reload();
      };
    },
  };
}

function makeRig(): DatabaseRig {
  const drive = new Drive();
  const { scheduler } = drive;
  const rng = new Rng(1);
  const links = new Links(scheduler, rng.fork(), PLACES, () => 5);
  const hosts = new Map<NodeId, PgHost>();
  const machines = PLACES.map(() => new Machine(scheduler));
  const nodes = PLACES.map((place, i) => {
    const machine = machines[i] ?? new Machine(scheduler);
    const node = nodeId(place, 'n1');
    const host = new PgHost({ node, place, machine, links, rng: rng.fork(), hosts, delays: USUAL, hasSlots: true });
    hosts.set(node, host);
    return contractNode(host, drive, new Process(`${node} caller`, machine));
  });
  const clock = new Process('test', new Machine(scheduler, 1, 1_000_000));
  return {
    nodes,
    prepare: async () => undefined,
    nowMs: () => clock.nowMs(),
    sleep: (ms) => drive.while(clock.sleep(ms)),
    close: async () => undefined,
  };
}

databaseContract('the model of the simulator', async () => makeRig());
