import { FailoverClusterBoard, MemoryClusterBoard } from '#cluster';
import { RedisClusterBoard, type RedisLink } from '#redis';

import { FakeClock } from '../support/fake-clock.js';
import { aReport } from '../support/cluster-report.js';
import { aLink } from '../support/redis-link.js';
import { RunningRedis } from '../support/redis.js';
import { describeClusterBoard } from './cluster-board.js';

let redis: RunningRedis;
let opened = 0;

beforeAll(async () => {
  redis = await RunningRedis.start();
});

const aRealLink = () => aLink(redis.port, { prefix: `board-${(opened += 1)}:` });
const waited = {
  passMs: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
  // Two clocks and a way between them.
  toleranceMs: 150,
};

function onFakeClock(open: (now: () => number) => FailoverClusterBoard | MemoryClusterBoard) {
  const clock = new FakeClock();
  return { board: open(() => clock.now()), passMs: (ms: number) => clock.advance(ms), toleranceMs: 0 };
}

describeClusterBoard('memory board', async () => onFakeClock((now) => new MemoryClusterBoard(now)));
describeClusterBoard('board with a failover', async () =>
  onFakeClock((now) => new FailoverClusterBoard(new MemoryClusterBoard(now), now)),
);
describeClusterBoard('Redis board', async () => ({ board: new RedisClusterBoard(await aRealLink()), ...waited }));

describe('Redis board', () => {
  const tell = (link: RedisLink, name: string) =>
    new RedisClusterBoard(link).tell({ report: aReport(name), counts: [], events: [] });
  const went = async (link: RedisLink) => {
    const { events } = await new RedisClusterBoard(link).eventsAfter(undefined, 100);
    return events.filter(({ event }) => event.kind === 'replica_went');
  };

  it('drops nobody because nobody could report for a while', async () => {
    const link = await aRealLink();
    await Promise.all(['a', 'b', 'c'].map((name) => tell(link, name)));
    await waited.passMs(6_000);
    for (const name of ['c', 'b', 'a']) expect((await tell(link, name)).replicas).toHaveLength(3);
    expect(await went(link)).toEqual([]);
  });

  it('believes no report of the future: whoever wrote it before the clock was set back has his time from now', async () => {
    const link = await aRealLink();
    await tell(link, 'a');
    const [replicas] = link.keys.cluster;
    const [, ...rest] = (await redis.client.hget(replicas, 'a'))!.split(' ');
    await redis.client.hset(replicas, 'a', [Date.now() + 3_600_000, ...rest].join(' '));
    expect((await tell(link, 'b')).replicas.find(({ report }) => report.name === 'a')?.agoMs).toBe(0);
    for (let ms = 0; ms < 6_000; ms += 1_000) {
      await waited.passMs(1_000);
      await tell(link, 'b');
    }
    expect((await tell(link, 'b')).replicas).toHaveLength(1);
    expect(await went(link)).toHaveLength(1);
  });

  it('drops the others of many that reported seldom, though the last one does so too', async () => {
    const link = await aRealLink();
    const board = new RedisClusterBoard(link);
    const seldom = (name: string) => board.tell({ report: aReport(name, { everyMs: 2_000 }), counts: [], events: [] });
    for (const name of ['a', 'b']) await seldom(name);
    for (let ms = 0; ms < 7_500; ms += 2_500) {
      await waited.passMs(2_500);
      await seldom('b');
    }
    expect(await went(link)).toHaveLength(1);
  });

  it('gives a report that says nothing of its time to live 5 s, and leaves its run as its version wrote it', async () => {
    const link = await aRealLink();
    const [replicas] = link.keys.cluster;
    const older = JSON.stringify({ name: 'older', run: 'its-run', version: '0.9.0' });
    await redis.client.hset(replicas, 'older', `${Date.now() + 3_600_000} its-run ${older}`);
    expect((await tell(link, 'a')).replicas.map(({ report }) => [report.name, report.everyMs])).toEqual([
      ['a', undefined],
      ['older', undefined],
    ]);
    expect(await redis.client.hget(replicas, 'older')).toMatch(/^\d+ its-run \{/);
    expect((await redis.client.hget(replicas, 'a'))!.split(' ').slice(1)).toEqual(['run/5000', expect.any(String)]);
  });

  it('passes over what a replica of another version has left there', async () => {
    const link = await aRealLink();
    const board = new RedisClusterBoard(link);
    await tell(link, 'a');
    const [replicas, , events] = link.keys.cluster;
    const { version } = aReport('newer');
    const now = Date.now();
    await redis.client.hset(replicas, 'b', `${now} run null`, 'c', `${now} run {`, 'd', `${now} run {"name":"d"}`);
    await redis.client.hset(replicas, 'newer', `${now} run ${JSON.stringify({ name: 'newer', run: 'run', version })}`);
    for (const entry of ['{', '1', '{}']) await redis.client.xadd(events, '*', 'a', '0', 'e', entry);
    const { replicas: seen } = await tell(link, 'a');
    expect(seen.map(({ report: { name, rejected } }) => [name, rejected])).toEqual([
      ['a', []],
      ['newer', []],
    ]);
    await board.tell({
      report: aReport('a'),
      counts: [],
      events: [{ agoMs: 0, event: { id: '1', kind: 'refreshed', replica: 'a' } }],
    });
    const { events: told } = await board.eventsAfter(undefined, 100);
    expect(told.at(-1)?.event.id).toBe('1');
  });

  it('goes on beside entries of another form, and leaves them to whoever wrote them', async () => {
    const link = await aRealLink();
    const board = new RedisClusterBoard(link);
    const [replicas, minutes, events] = link.keys.cluster;
    const counts = [{ served: 1, calls: 1, errors: 0, latencySumMs: 1, latencyMaxMs: 1, minutesAgo: 0 }];
    await board.tell({ report: aReport('a'), counts, events: [] });
    const [minute = ''] = await redis.client.hkeys(minutes);
    await redis.client.hset(replicas, 'newer', 'v2 {"name":"newer"}', 'empty', '');
    await redis.client.hset(minutes, 'hour', '5', String(Number(minute) - 1), 'a b c d e', minute, '1 1 0 1 1 7');
    await redis.client.xadd(events, '*', 'event', '{}');
    await redis.client.xadd(events, '*', 'a', 'long', 'e', '{}');
    await redis.client.xadd(events, '*', 'a', '0', 'e', '{"id":"1","kind":"promoted","replica":"newer"}');

    const event = { id: 'ours', kind: 'refreshed' as const, replica: 'a' };
    await board.tell({ report: aReport('a'), counts, events: [{ agoMs: 0, event }] });
    const { replicas: seen } = await board.tell({
      report: aReport('b'),
      counts: [{ ...counts[0]!, minutesAgo: 3 }],
      events: [],
    });
    expect(seen.map(({ report }) => report.name).toSorted()).toEqual(['a', 'b']);
    expect(await redis.client.hmget(replicas, 'newer', 'empty')).toEqual(['v2 {"name":"newer"}', '']);
    expect(await redis.client.hmget(minutes, 'hour', minute)).toEqual(['5', '2 2 0 2 1 7']);
    const served = (await board.minutes()).map((each) => each.served).filter((each) => each > 0);
    expect(served).toEqual([1, 2]);
    const { events: told } = await board.eventsAfter(undefined, 100);
    expect(told.map((each) => each.event.kind)).toEqual(['replica_came', 'refreshed', 'replica_came']);
    expect((await board.eventsAfter(undefined, 2)).events.length).toBeLessThanOrEqual(2);
  });

  it('leaves nothing in Redis for ever', async () => {
    const link = await aRealLink();
    const board = new RedisClusterBoard(link);
    const counts = [{ served: 1, calls: 1, errors: 0, latencySumMs: 1, latencyMaxMs: 1, minutesAgo: 0 }];
    await board.tell({ report: aReport('a'), counts, events: [] });
    const [replicas, minutes, events] = await Promise.all(link.keys.cluster.map((key) => redis.client.pttl(key)));
    expect([replicas! > 0, minutes! > 0, events! > 0]).toEqual([true, true, true]);
    expect([replicas! <= 60_000, minutes! <= 7_200_000, events! <= 86_400_000]).toEqual([true, true, true]);
  });

  it('is away if Redis refuses it, and keeps no token from Redis by that', async () => {
    const link = await aRealLink();
    const [replicas] = link.keys.cluster;
    await redis.client.set(replicas, 'of another kind');
    await expect(tell(link, 'a')).rejects.toMatchObject({ name: 'BoardAwayError' });
    expect(link.outages).toEqual([]);
  });

  it('is away if Redis is, which the link then knows', async () => {
    const own = await RunningRedis.start();
    const link = await aLink(own.port);
    await tell(link, 'a');
    own.stall();
    await expect(tell(link, 'a')).rejects.toMatchObject({ name: 'BoardAwayError' });
    expect(link.outages).toHaveLength(1);
    await own.stop('SIGKILL');
  });
});
