import { describe, expect, it } from 'vitest';
import { placeId } from '../base/ids.ts';
import type { WorldLayout } from '../world/layout.ts';
import { predictFailover, survivorRtts } from './predict.ts';

const KNOBS = { brokenAfterMs: 150, silentAfterMs: 1_300, wedgedAfterMs: 6_000, tickMs: 100, leaseTtlMs: 3_000 };

describe('predictFailover', () => {
  it('promises a second and sixteen round trips between survivors', () => {
    expect(predictFailover(KNOBS, { regionsMs: 0, storeMs: 0 }, 'broken', false)).toMatchObject({
      expectedMs: 800,
      promisedMs: 1_000,
    });
    expect(predictFailover(KNOBS, { regionsMs: 100, storeMs: 10 }, 'broken', false)).toMatchObject({
      expectedMs: 1_950,
      promisedMs: 2_600,
    });
  });

  it('adds the pause that is tolerated when nothing breaks, and no detection when it is asked', () => {
    const near = { regionsMs: 0, storeMs: 0 };
    expect(predictFailover(KNOBS, near, 'silent', false)).toMatchObject({ expectedMs: 1_950, promisedMs: 2_000 });
    expect(predictFailover(KNOBS, near, 'ordered', false)).toMatchObject({ promisedMs: 400, toleratedPauseMs: 1_300 });
  });

  it('async: waits for the lease, and promises four round trips', () => {
    expect(predictFailover(KNOBS, { regionsMs: 60, storeMs: 20 }, 'silent', true)).toMatchObject({
      expectedMs: 3_500,
      promisedMs: 4_040,
    });
    expect(predictFailover(KNOBS, { regionsMs: 60, storeMs: 20 }, 'wedged', true).promisedMs).toBe(10_040);
  });

  it('counts only the way to the store when one region is left', () => {
    expect(predictFailover(KNOBS, { regionsMs: null, storeMs: 20 }, 'broken', false)).toMatchObject({
      expectedMs: 900,
      promisedMs: 1_320,
    });
  });

  it("adds the store's election when its leader is lost too, and says so", () => {
    const rtts = { regionsMs: 70, storeMs: 20 };
    const elsewhere = predictFailover(KNOBS, rtts, 'broken', false);
    const lost = predictFailover(KNOBS, rtts, 'broken', false, { electionMs: 1_000 });
    expect(elsewhere).toMatchObject({ promisedMs: 2_120, electionMs: null });
    expect(elsewhere.formula).not.toContain('election');
    // 1.5 timers and two round trips to the store stand for the 150 ms; promised are two timers.
    expect(lost.expectedMs - elsewhere.expectedMs).toBe(1_540 - 150);
    expect(lost).toMatchObject({ promisedMs: 2_120 + 2_040, electionMs: 2_040 });
    expect(lost.formula).toContain("the store's leader is lost too");
  });

  it('waits for detection alone when that takes longer than the election', () => {
    const rtts = { regionsMs: 0, storeMs: 0 };
    const knobs = { ...KNOBS, silentAfterMs: 5_000 };
    expect(predictFailover(knobs, rtts, 'silent', false, { electionMs: 1_000 }).expectedMs).toBe(5_650);
  });
});

describe('survivorRtts', () => {
  const [a, b, c, site] = ['aws:a', 'aws:b', 'aws:c', 'aws:site'].map(placeId);
  const link = (from: typeof a, to: typeof a, rttMs: number) => ({ from, to, rttMs });
  const layout = {
    places: [a, b, c, site].map((id) => ({ id, data: id !== site, ports: id === site ? { store: 1 } : {} })),
    links: [link(a, b, 70), link(a, c, 149), link(b, c, 201), link(a, site, 15), link(b, site, 85), link(c, site, 160)],
  } as unknown as WorldLayout;

  it('leaves out every way of the lost region', () => {
    expect(survivorRtts(layout, placeId('aws:a'))).toEqual({ regionsMs: 201, storeMs: 85 });
    expect(survivorRtts(layout, placeId('aws:b'))).toEqual({ regionsMs: 149, storeMs: 15 });
  });

  it('knows that one region can be left', () => {
    const two = { ...layout, places: layout.places.filter((place) => place.id !== c) };
    expect(survivorRtts(two, placeId('aws:b'))).toEqual({ regionsMs: null, storeMs: 15 });
  });
});
