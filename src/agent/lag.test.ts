import { expect, it } from 'vitest';
import { Lag } from './lag.ts';

it('counts from the newest moment whose WAL the best standby has', () => {
  const lag = new Lag();
  lag.note(0, '0/100', []);
  expect(lag.lagMs(500)).toBe(500);
  lag.note(100, '0/200', ['0/100', '0/80']);
  lag.note(200, '0/300', ['0/200']);
  expect(lag.lagMs(1_000)).toBe(900);
  // One that is gone takes nothing back; one that has everything ends it.
  lag.note(300, '0/300', []);
  expect(lag.lagMs(1_000)).toBe(900);
  lag.note(400, '0/300', ['0/300']);
  expect(lag.lagMs(60_000)).toBe(0);
});

it('never looks shorter than it is, however long nobody receives', () => {
  const lag = new Lag();
  for (let i = 0; i < 20_000; i++) lag.note(i * 100, `0/${(0x100 + i).toString(16).toUpperCase()}`, ['0/105']);
  expect(lag.lagMs(2_000_000)).toBe(2_000_000 - 500);
});
