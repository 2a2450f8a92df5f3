import { jest } from '@jest/globals';

import { type BoardEvent, type ClusterBoard, MemoryClusterBoard, NO_COUNTS, type Told } from '#cluster';

import { aReport } from '../../../../test/support/cluster-report.js';
import { Drain } from '../http/drain.js';
import type { OwnEvents } from './own-events.js';
import type { OwnReport } from './own-report.js';
import { Reporter } from './reporter.js';

jest.useFakeTimers();

/** A reporter among others of the same version, on a board that notes what it is told, and when. */
async function aReporter(others: number, more: { everyMs?: number } = { everyMs: 1_000 }) {
  const board = new MemoryClusterBoard(() => performance.now());
  const told: { readonly atMs: number; readonly told: Told }[] = [];
  const startedAtMs = performance.now();
  const noted: ClusterBoard = {
    tell: async (what) => {
      told.push({ atMs: Math.round(performance.now() - startedAtMs), told: what });
      // The others are always there: how often they report is not what is asked here.
      for (let i = 0; i < others; i += 1)
        await board.tell({ report: aReport(`other-${i}`, more), counts: [], events: [] });
      return board.tell(what);
    },
    leave: (name) => board.leave(name),
    eventsAfter: (cursor, limit) => board.eventsAfter(cursor, limit),
    minutes: () => board.minutes(),
  };
  let isNews = () => {};
  const report: Pick<OwnReport, 'of' | 'takeCounts' | 'onNews'> = {
    of: () => aReport('own'),
    takeCounts: () => NO_COUNTS,
    onNews: (listener) => {
      isNews = listener;
    },
  };
  const events: Pick<OwnEvents, 'onEvent' | 'mostRefreshes'> = { onEvent: () => {}, mostRefreshes: 30 };
  const drain = new Drain();
  const reporter = new Reporter(noted, report as OwnReport, events as OwnEvents, drain);
  const happen = (id: string) => events.onEvent({ id, kind: 'invalidated', replica: 'own' } satisfies BoardEvent);
  const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);
  return { reporter, drain, events, told, happen, pass, isNews: () => isNews() };
}

const eventsOf = (told: readonly { readonly told: Told }[]) =>
  told.map((each) => each.told.events.map(({ event }) => event.id));

afterEach(() => {
  jest.clearAllTimers();
  jest.restoreAllMocks();
});

it('few replicas report about each second', async () => {
  const { told, pass } = await aReporter(2);
  await pass(60_000);
  expect(told.length).toBeGreaterThanOrEqual(48);
  expect(told.length).toBeLessThanOrEqual(80);
  expect(told.at(-1)?.told.report.everyMs).toBe(1_000);
});

it('few replicas tell news 100 ms after it came, and what came with it', async () => {
  jest.spyOn(Math, 'random').mockReturnValue(0.999);
  const { told, pass, isNews, happen } = await aReporter(2);
  await pass(1_300);
  const before = told.length;
  isNews();
  happen('one');
  await pass(60);
  happen('two');
  await pass(39);
  expect(told).toHaveLength(before);
  await pass(1);
  expect(eventsOf(told.slice(before))).toEqual([['one', 'two']]);
});

it('of many replicas each reports more seldom, and says so before it does', async () => {
  const { told, pass } = await aReporter(199);
  await pass(120_000);
  const [first, second] = told;
  expect([first, second].map((each) => each?.told.report.everyMs)).toEqual([1_000, 5_000]);
  expect(second!.atMs - first!.atMs).toBeLessThanOrEqual(1_250);
  const gaps = told.slice(2).map(({ atMs }, i) => atMs - told[i + 1]!.atMs);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(3_749);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(6_251);
  // Not in step, were they started at once.
  expect(new Set(gaps).size).toBeGreaterThan(10);
});

it('of many replicas each tells fewer of its refreshes one by one', async () => {
  const { events, pass } = await aReporter(199);
  expect(events.mostRefreshes).toBe(30);
  await pass(5_000);
  expect(events.mostRefreshes).toBe(6);
});

it('of many replicas none reports more often for its news, and tells all of it in order', async () => {
  const { told, pass, isNews, happen } = await aReporter(199);
  await pass(10_000);
  const before = told.length;
  const all = Array.from({ length: 120 }, (_, i) => `event-${i}`);
  for (const id of all) {
    happen(id);
    isNews();
    await pass(500);
  }
  await pass(7_000);
  expect(eventsOf(told).flat()).toEqual(all);
  // 67 s, each 5 s at most but for the jitter.
  expect(told.length - before).toBeLessThanOrEqual(67 / 3.75 + 1);
});

it('of many replicas one that has been silent for its turn tells news 100 ms after it came', async () => {
  jest.spyOn(Math, 'random').mockReturnValue(0.999);
  const { told, pass, happen } = await aReporter(79);
  await pass(20_000);
  const count = told.length;
  while (told.length === count) await pass(10);
  // Its turn is 2 s, and the next report is to come after 2.5 s.
  await pass(2_100);
  happen('late');
  await pass(99);
  expect(told).toHaveLength(count + 1);
  await pass(1);
  expect(eventsOf(told.slice(count + 1))).toEqual([['late']]);
});

it('beside an older version, which drops who is silent for 5 s, it reports each second', async () => {
  const { told, pass } = await aReporter(199, {});
  await pass(30_000);
  expect(told.length).toBeGreaterThanOrEqual(24);
  expect(told.at(-1)?.told.report.everyMs).toBe(1_000);
});

it('tells at once that it drains, and before it leaves what has happened since', async () => {
  const { reporter, drain, told, pass, happen } = await aReporter(199);
  await pass(10_000);
  const before = told.length;
  drain.begin();
  await pass(0);
  expect(told).toHaveLength(before + 1);
  happen('last');
  await reporter.onApplicationShutdown();
  expect(eventsOf(told.slice(before))).toEqual([[], ['last']]);
  await pass(60_000);
  expect(told).toHaveLength(before + 2);
});
