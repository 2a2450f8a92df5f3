import { aReport } from '../../../test/support/cluster-report.js';
import { isHeard, paceOf, timeToLiveMs, untilNextMs } from './pace.js';

const replicas = (count: number, everyMs: number | undefined = 1_000) =>
  Array.from({ length: count }, () => ({ everyMs }));

it('few replicas report each second, and 100 ms after news', () => {
  const few = { everyMs: 1_000, soonMs: 100, refreshesPerMinute: 30 };
  for (const count of [0, 1, 4]) expect(paceOf(replicas(count))).toEqual(few);
  expect(paceOf(replicas(20))).toEqual({ ...few, soonMs: 500 });
  expect(paceOf(replicas(40))).toEqual({ ...few, soonMs: 1_000 });
});

it('all replicas together make 40 reports a second at most, with news or without', () => {
  for (let count = 1; count <= 1_000; count += 1) {
    const { everyMs, soonMs } = paceOf(replicas(count));
    expect(soonMs).toBeLessThanOrEqual(everyMs);
    expect((count * 1_000) / soonMs).toBeLessThanOrEqual(40.001);
  }
  expect(paceOf(replicas(200))).toEqual({ everyMs: 5_000, soonMs: 5_000, refreshesPerMinute: 6 });
  expect(paceOf(replicas(5_000)).refreshesPerMinute).toBe(1);
});

it('beside a version that reports each second, and believes others for 5 s, each reports each second', () => {
  expect(paceOf([...replicas(199), { everyMs: undefined }])).toMatchObject({ everyMs: 1_000, soonMs: 1_000 });
  expect(paceOf([...replicas(9), {}])).toMatchObject({ everyMs: 1_000, soonMs: 250 });
});

it('a report is believed for 5 s, and for longer than two of the longest ways to the next one', () => {
  expect([undefined, 1_000, 1_600, 5_000].map((everyMs) => timeToLiveMs({ everyMs }))).toEqual([
    5_000, 5_000, 5_000, 15_000,
  ]);
  for (let count = 1; count <= 1_000; count += 1) {
    const pace = paceOf(replicas(count));
    expect(timeToLiveMs(pace)).toBeGreaterThan(2 * untilNextMs(pace, 1));
    // Where boards forgive a silence of all (half of the time to live), that must be longer than one way.
    expect(timeToLiveMs(pace) / 2).toBeGreaterThan(untilNextMs(pace, 1));
  }
});

it('the next report comes a quarter sooner or later', () => {
  const pace = paceOf(replicas(200));
  expect([0, 0.5, 1].map((random) => untilNextMs(pace, random))).toEqual([3_750, 5_000, 6_250]);
});

it('whoever reports seldom is heard for longer', () => {
  const seen = (agoMs: number, everyMs?: number) => isHeard({ report: aReport('a', { everyMs }), agoMs });
  expect([seen(5_000), seen(5_001), seen(15_000, 5_000), seen(15_001, 5_000)]).toEqual([true, false, true, false]);
});
