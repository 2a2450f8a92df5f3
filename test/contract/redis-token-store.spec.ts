import { Bus, RedisTokenStore } from '#redis';
import type { TokenKey } from '#token';
import { KeyRing, type Place, Sealer } from '#vault';

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

/** Seals as a newer version does: in a form that this one does not read. */
class NewerSealer extends Sealer {
  override seal(plaintext: string, place: Place): Promise<string> {
    return super.seal(plaintext, place, 2);
  }
}

describe('beside a newer version', () => {
  const request = { owner: 'a', leaseMs: 1_000, haveGeneration: 0, minRemainingMs: 0, spareMs: 0 };

  async function led(store: RedisTokenStore, key: TokenKey, owner: string, haveGeneration = 0) {
    const outcome = await store.acquire(key, { ...request, owner, haveGeneration });
    if (outcome.kind !== 'lead') throw new Error(outcome.kind);
    return outcome.lease;
  }

  /** A key whose token a newer version has stored. */
  async function stored(client: string) {
    const [ours, theirs] = [await openStore(), await openStore(new NewerSealer(ring))];
    const key = aKey({ client });
    const lease = await led(theirs.store, key, 'theirs');
    await theirs.store.commit(lease, issued('theirs', 60_000));
    return { ours, theirs, key, lease };
  }

  it('a token of it is none: one lease for another, of a later generation, which is the token of both', async () => {
    const { ours, key, lease } = await stored('skewed');
    expect(await ours.store.find(key)).toBeUndefined();
    const own = await led(ours.store, key, 'ours', lease.generation - 1);
    expect(own.generation).toBeGreaterThan(lease.generation);
    // Whoever else cannot read it waits for that one.
    expect(await ours.store.acquire(key, { ...request, owner: 'third' })).toMatchObject({ kind: 'busy' });
    expect(await ours.store.commit(own, issued('ours', 60_000))).toMatchObject({ kind: 'stored' });
    expect(await ours.store.acquire(key, { ...request, owner: 'third' })).toMatchObject({ kind: 'hit' });
  });

  it('a token of it is not dropped, and is known by its id', async () => {
    const { ours, theirs, key, lease } = await stored('kept');
    await led(ours.store, key, 'ours');
    const { tokenId } = issued('theirs').token;
    expect((await ours.store.inspect(key)).token).toMatchObject({ tokenId, generation: lease.generation });
    const { link } = theirs;
    const header = async () => {
      const sealed = await redis.client.hget(link.keys.token(key), 't');
      return JSON.parse(Buffer.from(sealed!.split('.', 1).join(), 'base64url').toString()) as object;
    };
    expect(await header()).toMatchObject({ fmt: 2 });
  });

  it('a token in a place that is not known here is none', async () => {
    const { ours, key } = await stored('elsewhere');
    await redis.client.hdel(ours.link.keys.token(key), 't');
    expect(await ours.store.find(key)).toBeUndefined();
    await led(ours.store, key, 'ours');
  });

  it('a failure with a code that is not known here holds calls back as one that is', async () => {
    const { store, link } = await openStore();
    const key = aKey({ client: 'failing' });
    const cooling = { firstMs: 5_000, maxMs: 5_000, stretch: 1 };
    const report = { code: 'of_its_own' as 'upstream_invalid', message: 'why', cooling };
    await store.fail(await led(store, key, 'a'), { ...report, scope: 'key' });
    const known = { code: 'upstream_unavailable', message: 'why' };
    expect(await store.acquire(key, request)).toMatchObject({ kind: 'failed', failure: { ...known, scope: 'key' } });
    const other = aKey({ client: 'failing-as-a-whole' });
    await store.fail(await led(store, other, 'a'), { ...report, scope: 'client' });
    await redis.client.hset(link.keys.gate(other)[0], 'fs', 'of its own');
    expect(await store.acquire(other, request)).toMatchObject({ kind: 'failed', failure: known });
    expect((await store.inspectUpstream(other)).heldBack).toMatchObject(known);
  });

  it.each(['{', 'null', '[]', '{"client":5}', '{"client":"a","environment":"b","tokenUrl":"c"}'])(
    'a key that says of itself %s is passed over where keys are listed',
    async (subject) => {
      const { store, link } = await openStore();
      const [client, key] = ['listed', aKey({ client: 'listed' })];
      await store.commit(await led(store, key, 'a'), issued('one', 60_000));
      await redis.client.hset(link.keys.token(key), 's', subject);
      expect((await store.list({ client, after: undefined, limit: 10 })).items).toEqual([]);
      await redis.client.del(link.keys.token(key));
    },
  );
});
