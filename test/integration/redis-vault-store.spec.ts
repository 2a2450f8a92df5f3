import { RedisVaultStore, type RedisVaultWarning } from '#redis';

import { eventually } from '../support/processes.js';
import { aLink } from '../support/redis-link.js';
import { RunningRedis } from '../support/redis.js';

async function aStore(redis: RunningRedis) {
  const warnings: RedisVaultWarning[] = [];
  const link = await aLink(redis.port);
  return { store: new RedisVaultStore(link, (warning) => warnings.push(warning)), warnings, link };
}

const change = (expectedVersion = 0) => [
  { name: 'client/acme', expectedVersion, version: expectedVersion + 1, sealed: 'sealed' },
];

it.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random'])(
  'a Redis that may drop credentials is refused: %s',
  async (policy) => {
    const redis = await RunningRedis.start(['--maxmemory', '100mb', '--maxmemory-policy', policy]);
    const { store } = await aStore(redis);
    await expect(store.check()).rejects.toMatchObject({ code: 'unreadable', message: expect.stringContaining(policy) });
  },
);

it.each([
  ['volatile-lru', '100mb'],
  ['noeviction', '100mb'],
  ['allkeys-lru', '0'],
])('one that does not is taken: %s with a limit of %s', async (policy, limit) => {
  const redis = await RunningRedis.start(['--maxmemory', limit, '--maxmemory-policy', policy]);
  const { store } = await aStore(redis);
  await expect(store.check()).resolves.toBeUndefined();
});

it.each([
  ['nothing', ['--save', ''], ['not_persistent']],
  ['snapshots', ['--save', '3600 1'], []],
  ['a log of its writes', ['--appendonly', 'yes'], []],
])('one that keeps %s is taken, and warned of if it loses everything', async (_, args, expected) => {
  const redis = await RunningRedis.start(args);
  const { store, warnings } = await aStore(redis);
  await store.check();
  expect(warnings).toEqual(expected);
});

it('a write waits for a replica’s acknowledgement where there is one, and says so if none comes', async () => {
  const master = await RunningRedis.start(['--repl-diskless-sync-delay', '0']);
  const replica = await RunningRedis.start(['--replicaof', `127.0.0.1 ${master.port}`]);
  // In step, and heard of: the first word from a replica takes a while.
  await eventually(async () => {
    await master.client.set('test:first', '1');
    return (await master.client.wait(1, 500)) === 1 || undefined;
  }, 10_000);
  const { store, warnings } = await aStore(master);
  let version = 0;
  // A busy machine may keep the replica waiting for its turn for longer than a write waits.
  await eventually(async () => {
    warnings.length = 0;
    await store.write(change(version++));
    return warnings.length === 0 || undefined;
  }, 10_000);
  expect(await replica.client.hlen('test:{vault}')).toBe(1);
  replica.stall();
  await store.write(change(version));
  replica.resume();
  expect(warnings).toEqual(['write_not_acknowledged']);
  // Told to end politely, a master waits for its replicas first.
  await Promise.all([master, replica].map((each) => each.stop('SIGKILL')));
}, 20_000);

describe('a connection lost in the middle of a write of many', () => {
  const many = Array.from({ length: 50 }, (_, i) => ({
    name: `client/c${i}`,
    expectedVersion: 0,
    version: 1,
    sealed: 'x',
  }));

  it('that Redis had taken is found to be written, all of it', async () => {
    const redis = await RunningRedis.start();
    const { store } = await aStore(redis);
    redis.stall();
    const writing = store.write(many);
    await new Promise((resolve) => setTimeout(resolve, 600));
    redis.resume();
    await expect(writing).resolves.toBeUndefined();
    expect(await store.read()).toHaveLength(50);
  });

  it('that Redis has not kept is said to be not written, none of it', async () => {
    const redis = await RunningRedis.start();
    const { store } = await aStore(redis);
    await store.write(change());
    redis.stall();
    const writing = store.write(many);
    await new Promise((resolve) => setTimeout(resolve, 600));
    await redis.stop('SIGKILL');
    await redis.startAgain();
    await expect(writing).rejects.toMatchObject({
      code: 'unwritable',
      message: expect.stringContaining('nothing was written'),
    });
    expect(await store.read()).toEqual([]);
  });

  it('to a Redis that stays away leaves it open, and says so', async () => {
    const redis = await RunningRedis.start();
    const { store } = await aStore(redis);
    redis.stall();
    await expect(store.write(many)).rejects.toMatchObject({
      code: 'unwritable',
      message: expect.stringContaining('look before'),
    });
    redis.resume();
    await eventually(async () => [0, 50].includes((await store.read().catch(() => [null])).length) || undefined);
  }, 15_000);
});
