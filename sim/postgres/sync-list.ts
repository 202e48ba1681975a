import { done, type Outcome, unknown } from '../../src/base/result.ts';
import type { SyncList } from '../../src/ports/database.ts';
import type { Statements } from './statements.ts';
import { lsnOf } from './wal.ts';

export async function setList(to: Statements, list: SyncList): Promise<Outcome<void>> {
  await to.query('alter system: list', (server) => {
    server.dir.syncList = list.w === 0 ? { epoch: list.epoch, w: 0, names: [] } : list;
  });
  await to.query('reload', (server) => server.reload());
  return done(undefined);
}

export async function settleList(
  to: Statements,
  list: SyncList,
  prove: readonly ('in-force' | 'flushed')[],
  timeoutMs: number,
): Promise<Outcome<void>> {
  const deadlineMs = to.deadlineIn(timeoutMs);
  const shown = await to.poll(deadlineMs, () =>
    to.query('show list', (server) => (sameList(server.shown.syncList, list) ? true : null), timeoutMs),
  );
  if (shown === null) return unknown('synchronous_standby_names was not in force in time');
  if (prove.includes('in-force')) {
    const proven = await proveInForce(to, list, deadlineMs);
    if (proven.kind !== 'done') return proven;
  }
  return prove.includes('flushed') ? proveFlushed(to, list, deadlineMs) : done(undefined);
}

async function proveInForce(to: Statements, list: SyncList, deadlineMs: number): Promise<Outcome<void>> {
  const before = await to.query('walsenders now', (server) => new Set(server.walSenders));
  // Two checkpoints: the second begins after the checkpointer has read the settings.
  const checkpointed = await to.poll(deadlineMs, () =>
    to.query('checkpoint', (server) => (sameList(server.checkpointerList, list) ? true : null)),
  );
  if (checkpointed === null) return unknown('the checkpoint did not end in time');
  const restarted = await to.poll(deadlineMs, () =>
    to.query('terminate walsenders', (server) => {
      const left = [...before].filter((sender) => server.walSenders.has(sender));
      for (const sender of left) server.process.after(server.rng.between(0, 5), () => sender.terminate());
      return left.length === 0 ? true : null;
    }),
  );
  return restarted === null ? unknown('a walsender from before the change is still there') : done(undefined);
}

async function proveFlushed(to: Statements, list: SyncList, deadlineMs: number): Promise<Outcome<void>> {
  const end = await to.query('barrier mark', (server) => {
    if (server.state === 'primary') server.append({ kind: 'mark', text: 'barrier' });
    return server.end;
  });
  const confirmed = await to.poll(deadlineMs, () =>
    to.query('who has flushed', (server) => {
      const has = new Set<string>();
      for (const sender of server.walSenders)
        if (sender.streaming && sender.epoch === list.epoch && sender.flushed >= end) has.add(sender.node);
      return list.w === 0 || list.names.every((name) => has.has(name)) ? true : null;
    }),
  );
  return confirmed === null ? unknown(`not flushed up to ${lsnOf(end)}`) : done(undefined);
}

const sameList = (a: SyncList, b: SyncList): boolean =>
  a.w === b.w &&
  (a.w === 0 ||
    (a.epoch === b.epoch && a.names.length === b.names.length && a.names.every((n) => b.names.includes(n))));
