import { expect, test } from 'vitest';
import { InForce } from './in-force.ts';

const LIST = 'synchronous_standby_names';

test('what a later request made void is not taken for shown by a proof that comes late', () => {
  const inForce = new InForce();
  inForce.ask(LIST, 'ANY 1 (b)');
  const proof = inForce.standing(LIST, 'ANY 1 (b)');
  inForce.ask(LIST, '');
  inForce.ask(LIST, 'ANY 1 (b)');
  if (proof !== null) proof.shown = true;
  expect(inForce.standing(LIST, 'ANY 1 (b)')?.shown).toBe(false);
  expect(inForce.standing(LIST, '')).toBeNull();
});

test('nothing is known before the first start by this process, nor after another one', () => {
  const inForce = new InForce();
  expect(inForce.standing('primary_conninfo', '')).toBeNull();
  inForce.startedWith({ primary_conninfo: '', synchronous_standby_names: '' });
  expect(inForce.standing('primary_conninfo', '')?.shown).toBe(true);
  inForce.forget();
  expect(inForce.standing('primary_conninfo', '')).toBeNull();
});
