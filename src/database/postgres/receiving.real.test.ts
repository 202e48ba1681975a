import { afterEach, describe, expect, test } from 'vitest';
import { forgetWal, pairOf, type TestGroup, must, oneVersionOrMore, startTestGroup } from './testing.ts';

let group: TestGroup | null = null;
afterEach(async () => {
  await group?.end();
  group = null;
});

describe.each(oneVersionOrMore)('receiving on PostgreSQL ($label)', (version) => {
  test('a receiver whose upstream has removed what it asks for runs again and again, and never counts', async () => {
    group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1'] });
    const [a, b] = await pairOf(group);
    await forgetWal(a);
    must(await b.db.follow(a.upstream(1)));
    const admin = await b.connect('farshore_admin');
    let streaming = 0;
    for (let looks = 0; streaming < 3 && looks < 20_000; looks += 1) {
      const { rows } = await admin.query("SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'");
      if (rows.length === 0) continue;
      streaming += 1;
      expect((await b.db.status()).receiving).toBe(false);
    }
    await admin.end();
    expect(streaming, 'a refused receiver was seen streaming').toBeGreaterThan(0);
  });
});
