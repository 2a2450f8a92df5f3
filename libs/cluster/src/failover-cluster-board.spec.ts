import { FakeClock } from '../../../test/support/fake-clock.js';
import { aReport } from '../../../test/support/cluster-report.js';
import { BoardAwayError, type ClusterBoard, NO_COUNTS, type Told } from './board.js';
import { FailoverClusterBoard } from './failover-cluster-board.js';
import { MemoryClusterBoard } from './memory-cluster-board.js';

/** A shared board that can be away. */
function setUp() {
  const clock = new FakeClock();
  const memory = new MemoryClusterBoard(() => clock.now());
  const state = { isAway: false };
  const unlessAway = <T>(work: () => Promise<T>): Promise<T> =>
    state.isAway ? Promise.reject(new BoardAwayError('pulled')) : work();
  const shared: ClusterBoard = {
    tell: (told) => unlessAway(() => memory.tell(told)),
    leave: (name) => unlessAway(() => memory.leave(name)),
    eventsAfter: (cursor, limit) => unlessAway(() => memory.eventsAfter(cursor, limit)),
    minutes: () => unlessAway(() => memory.minutes()),
  };
  const board = new FailoverClusterBoard(shared, () => clock.now());
  const tell = (more: Partial<Told> = {}, name = 'a') =>
    board.tell({ report: aReport(name), counts: [], events: [], ...more });
  return { clock, shared, state, board, tell };
}

const served = (n: number) => [{ ...NO_COUNTS, served: n, minutesAgo: 0 }];

it('shows what was seen last while the shared board is away, and what this replica reports', async () => {
  const { clock, shared, state, tell } = setUp();
  await shared.tell({ report: aReport('b', { keys: 7 }), counts: [], events: [] });
  await tell();
  state.isAway = true;
  await clock.advance(60_000);
  const { replicas, isCurrent } = await tell({ report: aReport('a', { keys: 9 }) });
  expect(isCurrent).toBe(false);
  expect(replicas).toEqual([
    { report: aReport('a', { keys: 9 }), agoMs: 0 },
    { report: aReport('b', { keys: 7 }), agoMs: 60_000 },
  ]);
});

it('says what it could not say when the shared board is back: each event with its time, each count in its minute', async () => {
  const { clock, state, board, tell } = setUp();
  state.isAway = true;
  const event = { id: 'one', kind: 'invalidated', replica: 'a' } as const;
  await tell({ counts: served(3), events: [{ event, agoMs: 0 }] });
  await clock.advance(120_000);
  await tell({ counts: served(4) });
  state.isAway = false;
  await tell({ counts: served(5) });
  await tell();
  expect((await board.minutes()).slice(-3).map((minute) => minute.served)).toEqual([3, 0, 9]);
  const { events } = await board.eventsAfter(undefined, 10);
  expect(events.filter((each) => each.event.id === 'one')).toEqual([{ event, agoMs: 120_000 }]);
});

it('counts on by itself from where the shared board left off', async () => {
  const { clock, shared, state, board, tell } = setUp();
  await shared.tell({ report: aReport('b'), counts: served(100), events: [] });
  await tell({ counts: served(1) });
  await board.minutes();
  state.isAway = true;
  await clock.advance(60_000);
  await tell({ counts: served(2) });
  expect((await board.minutes()).slice(-3).map((minute) => minute.served)).toEqual([0, 101, 2]);
});

it('keeps the newest events, and no more than it may, however long the shared board is away', async () => {
  const { state, board, tell } = setUp();
  state.isAway = true;
  for (let n = 0; n < 1_000; n += 1) {
    await tell({ events: [{ event: { id: `${n}`, kind: 'failed', replica: 'a' }, agoMs: 0 }] });
  }
  state.isAway = false;
  await tell();
  const { events } = await board.eventsAfter(undefined, 2_000);
  const kept = events.filter(({ event }) => event.kind === 'failed');
  expect([kept.length, kept.at(-1)?.event.id]).toEqual([200, '999']);
});
