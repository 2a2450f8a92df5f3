import { Bus, RedisTokenStore } from '#redis';
import { KeyRing, Sealer } from '#vault';

import { systemClock } from '../../apps/broker/src/config/system-clock.js';
import { aKey, issued } from '../support/tokens.js';
import { aLink, settingsFor } from '../support/redis-link.js';
import { RunningRedis } from '../support/redis.js';
import { describeTokenStore } from './token-store.js';

let redis: RunningRedis;
const buses = new Set<Bus>();
const ring = KeyRing.parse(KeyRing.generate('test'));

beforeAll(async () => {
  redis = await RunningRedis.start();
});
afterAll(() => {
  for (const bus of buses) bus.close();
});

async function openStore(sealer = new Sealer(ring)) {
  const link = await aLink(redis.port);
  const bus = new Bus(settingsFor(redis.port), link.keys.news, systemClock);
  buses.add(bus);
  await bus.ready(2_000);
  return { link, store: new RedisTokenStore(link, bus, sealer, systemClock) };
}

describeTokenStore('Redis token store', async () => {
  const { store } = await openStore();
  return {
    store,
    passMs: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    // Two clocks and a way between them.
    toleranceMs: 60,
  };
});

it('writes no token, secret or clear text into Redis', async () => {
  const { store, link } = await openStore();
  const key = aKey({ client: 'canary-client' });
  const outcome = await store.acquire(key, {
    owner: 'a',
    leaseMs: 1_000,
    haveGeneration: 0,
    minRemainingMs: 0,
    spareMs: 0,
  });
  if (outcome.kind !== 'lead') throw new Error(outcome.kind);
  await store.commit(outcome.lease, issued('canary-token', 60_000));
  const all = await link.call('', async (client) => {
    const names = await client.keys('*');
    return Promise.all(names.map(async (name) => [name, await client.type(name), await client.dump(name)].join(' ')));
  });
  expect(all.join('\n')).toContain('canary-client');
  expect(all.join('\n')).not.toContain('canary-token');
});

it('treats a token that was sealed under another master key, or for another key, as none', async () => {
  const { store } = await openStore();
  const others = await openStore(new Sealer(KeyRing.parse(KeyRing.generate('other'))));
  const key = aKey({ client: 'sealed' });
  const request = { owner: 'a', leaseMs: 1_000, haveGeneration: 0, minRemainingMs: 0, spareMs: 0 };
  const first = await store.acquire(key, request);
  if (first.kind !== 'lead') throw new Error(first.kind);
  await store.commit(first.lease, issued('one', 60_000));
  expect(await others.store.find(key)).toBeUndefined();
  const second = await others.store.acquire(key, { ...request, owner: 'b' });
  if (second.kind !== 'lead') throw new Error(second.kind);
  expect(second.lease.generation).toBeGreaterThan(first.lease.generation);
});
