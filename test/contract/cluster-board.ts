import {
  type BoardEvent,
  type ClusterBoard,
  LEAST_TIME_TO_LIVE_MS,
  type MinuteCounts,
  MINUTES_TOLD,
  NO_COUNTS,
} from '#cluster';

import { aReport } from '../support/cluster-report.js';

export interface BoardUnderTest {
  readonly board: ClusterBoard;
  /** Lets time pass for the board. */
  readonly passMs: (ms: number) => Promise<void>;
  /** How far two durations may be apart: 0 on a fake clock. */
  readonly toleranceMs: number;
}

/** What every board promises. */
export function describeClusterBoard(name: string, open: () => Promise<BoardUnderTest>): void {
  let board: ClusterBoard;
  let passMs: BoardUnderTest['passMs'];
  let toleranceMs: number;
  let events = 0;

  beforeEach(async () => {
    ({ board, passMs, toleranceMs } = await open());
  });

  const report = (replica: string, more: Partial<ReturnType<typeof aReport>> = {}) =>
    board.tell({ report: aReport(replica, more), counts: [], events: [] });
  const seen = async (replica: string) => (await report(replica)).replicas.map((each) => each.report.name).toSorted();
  const count = (minutesAgo: number, counts: Partial<MinuteCounts>) => ({ ...NO_COUNTS, ...counts, minutesAgo });
  const anEvent = (): BoardEvent => ({
    id: `event-${(events += 1)}`,
    kind: 'invalidated',
    replica: 'a',
    client: 'acme',
  });
  const tellEvents = (...told: BoardEvent[]) =>
    board.tell({ report: aReport('a'), counts: [], events: told.map((event) => ({ event, agoMs: 0 })) });
  /** Of those that come and go: which, and what is said of them. */
  const comings = async () => {
    const page = await board.eventsAfter(undefined, 1_000);
    return page.events
      .filter(({ event }) => event.kind.startsWith('replica_'))
      .map(({ event }) => `${event.replica} ${event.kind.slice('replica_'.length)}: ${event.detail}`);
  };

  describe(name, () => {
    it('shows each replica all others, itself included, as they last reported themselves', async () => {
      await report('a', { keys: 1 });
      await passMs(300);
      await report('b', { keys: 2 });
      const { replicas, isCurrent } = await report('a', { keys: 3, leading: [{ client: 'acme', merchantVat: 'DK1' }] });
      expect(isCurrent).toBe(true);
      const [a, b] = replicas.toSorted((one, other) => (one.report.name < other.report.name ? -1 : 1));
      expect(a).toEqual({
        report: aReport('a', { keys: 3, leading: [{ client: 'acme', merchantVat: 'DK1' }] }),
        agoMs: expect.any(Number),
      });
      expect(b?.report).toEqual(aReport('b', { keys: 2 }));
      expect([a?.agoMs, b?.agoMs].every((ago) => ago !== undefined && ago >= 0 && ago <= toleranceMs)).toBe(true);
    });

    it('says for how long a replica has not been seen', async () => {
      await report('a');
      await passMs(1_000);
      const { replicas } = await report('b');
      const a = replicas.find((each) => each.report.name === 'a');
      expect(Math.abs((a?.agoMs ?? Infinity) - 1_000)).toBeLessThanOrEqual(toleranceMs);
    });

    it('drops a replica that reports nothing for its time to live, and says so once', async () => {
      await report('a');
      await report('b');
      for (let ms = 0; ms <= LEAST_TIME_TO_LIVE_MS; ms += 1_000) {
        await passMs(1_000);
        await Promise.all([report('b'), report('c')]);
      }
      expect(await seen('b')).toEqual(['b', 'c']);
      expect((await comings()).filter((each) => each.startsWith('a '))).toEqual([
        'a came: version 1.0.0',
        'a went: it did not say goodbye',
      ]);
    });

    it('believes a replica that reports more seldom for longer, and drops it when its own time is over', async () => {
      await report('seldom', { everyMs: 2_500 });
      await report('older', {});
      for (let ms = 0; ms < LEAST_TIME_TO_LIVE_MS + 500; ms += 500) {
        await passMs(500);
        await report('b', { everyMs: 1_000 });
      }
      expect(await seen('b')).toEqual(['b', 'seldom']);
      for (let ms = 0; ms < 2_200; ms += 1_100) {
        await passMs(1_100);
        await report('b', { everyMs: 1_000 });
      }
      expect(await seen('b')).toEqual(['b']);
    });

    it('takes a replica off that says goodbye, once', async () => {
      await report('a');
      await report('b');
      await board.leave('a');
      await board.leave('a');
      expect(await seen('b')).toEqual(['b']);
      expect((await comings()).at(-1)).toBe('a went: it said goodbye');
      expect(await comings()).toHaveLength(3);
    });

    it('tells a replica that is new from one that is seen again, and two runs of one name apart', async () => {
      await report('a', { uptimeMs: 1_000, version: '1.2.3' });
      await report('b', { uptimeMs: 60_000 });
      await report('a', { uptimeMs: 10, run: 'another' });
      expect(await comings()).toEqual([
        'a came: version 1.2.3',
        'b came: it is seen again, and has been running for 60 s',
        'a went: it did not say goodbye',
        'a came: version 1.0.0',
      ]);
      expect(await seen('b')).toEqual(['a', 'b']);
    });

    it('adds up what the replicas counted, minute by minute', async () => {
      const tell = (replica: string, ...counts: ReturnType<typeof count>[]) =>
        board.tell({ report: aReport(replica), counts, events: [] });
      await tell('a', count(0, { served: 10, calls: 2, errors: 1, latencySumMs: 300, latencyMaxMs: 200 }));
      await tell('b', count(0, { served: 5, calls: 1, latencySumMs: 500, latencyMaxMs: 500 }), count(7, { served: 3 }));
      await tell('b', count(MINUTES_TOLD + 1, { served: 1_000 }));
      const minutes = await board.minutes();
      expect(minutes).toHaveLength(MINUTES_TOLD);
      const ages = minutes.map(({ agoMs }) => agoMs);
      expect(ages.every((age, i) => i === 0 || Math.abs(ages[i - 1]! - age - 60_000) < 0.001)).toBe(true);
      expect(ages.at(-1)).toBeGreaterThanOrEqual(0);
      expect(ages.at(-1)).toBeLessThan(60_000);
      const busy = minutes.filter(({ served }) => served > 0);
      expect(busy).toEqual([
        { ...NO_COUNTS, served: 3, agoMs: ages.at(-8) },
        { served: 15, calls: 3, errors: 1, latencySumMs: 800, latencyMaxMs: 500, agoMs: ages.at(-1) },
      ]);
    });

    it('pages through what happened, the oldest first, and says when', async () => {
      await report('a');
      const { cursor: start } = await board.eventsAfter(undefined, 10);
      expect(await board.eventsAfter(start, 10)).toEqual({ events: [], cursor: start });
      const all = Array.from({ length: 5 }, anEvent);
      await tellEvents(...all.slice(0, 2));
      await passMs(500);
      await tellEvents(...all.slice(2));
      const first = await board.eventsAfter(start, 3);
      const second = await board.eventsAfter(first.cursor, 3);
      const told = [...first.events, ...second.events];
      expect(told.map(({ event }) => event)).toEqual(all);
      expect(first.events).toHaveLength(3);
      expect(Math.abs(told[0]!.agoMs - told[4]!.agoMs - 500)).toBeLessThanOrEqual(toleranceMs);
      const newest = await board.eventsAfter(undefined, 2);
      expect(newest.events.map(({ event }) => event)).toEqual(all.slice(3));
      expect(newest.cursor).toBe(second.cursor);
    });

    it('dates an event that is told late', async () => {
      await board.tell({ report: aReport('a'), counts: [], events: [{ event: anEvent(), agoMs: 90_000 }] });
      const { events: told } = await board.eventsAfter(undefined, 1);
      expect(Math.abs(told[0]!.agoMs - 90_000)).toBeLessThanOrEqual(toleranceMs);
    });

    it('keeps the newest events, whatever came before', async () => {
      for (let n = 0; n < 15; n += 1) await tellEvents(...Array.from({ length: 100 }, anEvent));
      const { events: kept } = await board.eventsAfter(undefined, 10_000);
      expect(kept.length).toBeGreaterThanOrEqual(1_000);
      expect(kept.length).toBeLessThan(1_300);
      expect(kept.at(-1)?.event.id).toBe(`event-${events}`);
    });
  });
}
