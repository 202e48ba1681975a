import { databaseContract, type ContractNode } from './database.contract.ts';
import { postgresVersions, realClock, startTestGroup, type TestNode } from './postgres/testing.ts';

function contractNode(test: TestNode): ContractNode {
  const admin = async <T extends object>(database: string, sql: string): Promise<readonly T[]> => {
    const client = await test.connect('farshore_admin', database);
    try {
      return (await client.query<T>(sql)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    node: test.node,
    db: test.db,
    upstream: (epoch) => test.upstream(epoch),
    async write() {
      const client = await test.connect('app');
      let warned = false;
      client.on('notice', () => {
        warned = true;
      });
      client.on('error', () => undefined);
      try {
        await client.query('INSERT INTO written DEFAULT VALUES');
        return warned ? 'warned' : 'committed';
      } catch {
        return 'lost';
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    async rows() {
      const [row] = await admin<{ count: number }>('app', 'SELECT count(*)::int AS count FROM written');
      return row?.count ?? 0;
    },
    async cancelWaits() {
      const waits = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;
      return (await admin('postgres', waits)).length;
    },
    async holdCheckpointer() {
      const which = `SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'`;
      const [row] = await admin<{ pid: number }>('postgres', which);
      if (row === undefined) throw new Error('no checkpointer');
      process.kill(row.pid, 'SIGSTOP');
      return async () => void process.kill(row.pid, 'SIGCONT');
    },
  };
}

for (const { label, ...version } of postgresVersions) {
  databaseContract(`PostgreSQL (${label})`, async () => {
    const group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1', 'ap-south-1'] });
    return {
      nodes: group.nodes.map(contractNode),
      async prepare({ node }) {
        const client = await group.nodes.find((one) => one.node === node)?.connect('app');
        await client?.query('CREATE TABLE written (id serial PRIMARY KEY)');
        await client?.end();
      },
      nowMs: () => realClock.nowMs(),
      sleep: (ms) => realClock.sleep(ms),
      close: () => group.end(),
    };
  });
}
