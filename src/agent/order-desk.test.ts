import { describe, expect, it } from 'vitest';
import { done } from '../base/result.ts';
import { OrderDesk, type Permit } from './order-desk.ts';

/** Work that ends when it is told to. */
function held(): {
  readonly work: (permit: Permit) => Promise<ReturnType<typeof done<boolean>>>;
  readonly end: () => void;
} {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { work: async (permit) => ended.then(() => done(permit.valid())), end };
}

describe('the order desk (P5)', () => {
  it('carries out one piece of work at a time, in order', async () => {
    const desk = new OrderDesk();
    const first = held();
    const order: string[] = [];
    const one = desk.run(1, 'one', first.work).then(() => order.push('one'));
    const two = desk.run(1, 'two', async () => done(order.push('two')));
    await Promise.resolve();
    expect(desk.busy).toBe('one');
    first.end();
    await Promise.all([one, two]);
    expect(order).toEqual(['one', 'two']);
    expect(desk.busy).toBeNull();
  });

  it('tells running work that a newer epoch cancels it, and lets waiting work of the older one not begin', async () => {
    const desk = new OrderDesk();
    const running = held();
    const old = desk.run(1, 'follow', running.work);
    let begun = false;
    const waiting = desk.run(1, 'clone', async () => {
      begun = true;
      return done(true);
    });
    await new Promise(setImmediate);
    const newer = desk.run(2, 'detach', async (permit) => done(permit.valid()));
    running.end();
    expect(await old).toEqual(done(false));
    expect(await waiting).toMatchObject({ kind: 'refused', code: 'overtaken' });
    expect(begun).toBe(false);
    expect(await newer).toEqual(done(true));
  });

  it('ends older work when a newer epoch is known, before anything of it is ordered', async () => {
    const desk = new OrderDesk();
    const running = held();
    const old = desk.run(1, 'join', running.work);
    await new Promise(setImmediate);
    desk.overtake(2);
    running.end();
    expect(await old).toEqual(done(false));
    expect(await desk.run(1, 'join', async () => done(true))).toMatchObject({ kind: 'refused', code: 'older-epoch' });
    desk.overtake(1);
    expect(await desk.run(2, 'join', async (permit) => done(permit.valid()))).toEqual(done(true));
  });

  it('refuses work that comes late, after a newer epoch', async () => {
    const desk = new OrderDesk();
    await desk.run(3, 'detach', async () => done(true));
    expect(await desk.run(2, 'follow', async () => done(true))).toMatchObject({ kind: 'refused', code: 'older-epoch' });
  });

  it('ends `unknown` when the work breaks, and goes on', async () => {
    const desk = new OrderDesk();
    const broken = await desk.run(1, 'clone', async () => {
      throw new Error('connection reset');
    });
    expect(broken).toMatchObject({ kind: 'unknown', why: 'clone: connection reset' });
    expect(await desk.run(1, 'clone', async () => done(true))).toEqual(done(true));
  });
});
