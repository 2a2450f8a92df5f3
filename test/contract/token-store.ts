import { BREAKER, MOST_CALLS_PER_CLIENT, type TokenStore, type TokenSubject } from '#token';

import type { Lease, StoreNews } from '../../libs/token/src/ports.js';
import { aKey, issued } from '../support/tokens.js';

export interface StoreUnderTest {
  readonly store: TokenStore;
  /** Lets time pass for the store: a fake clock moves, a real one is waited for. */
  readonly passMs: (ms: number) => Promise<void>;
  /** How far two durations may be apart: 0 on a fake clock. */
  readonly toleranceMs: number;
}

/** What every token store promises. Times are short, so that a store with a real clock can be tested as well. */
export function describeTokenStore(name: string, open: () => Promise<StoreUnderTest>): void {
  const LEASE = 300;
  const LIFE = 60_000;
  let key = aKey();
  let store: TokenStore;
  let passMs: StoreUnderTest['passMs'];
  let toleranceMs: number;
  let keys = 0;

  beforeEach(async () => {
    ({ store, passMs, toleranceMs } = await open());
    keys += 1;
    // An endpoint of its own for each test: a breaker is shared by all keys of one.
    key = aKey({ client: `client-${process.pid}-${keys}`, tokenUrl: `https://${process.pid}-${keys}.example/token` });
  });

  /** Another key of the same endpoint. */
  const beside = (parts: Partial<TokenSubject>) => aKey({ ...key.subject, ...parts });

  const acquire = (owner: string, more: { haveGeneration?: number; minRemainingMs?: number } = {}, of = key) =>
    store.acquire(of, { owner, leaseMs: LEASE, haveGeneration: 0, minRemainingMs: 0, spareMs: 0, ...more });

  async function lead(owner: string, more: { haveGeneration?: number } = {}, of = key): Promise<Lease> {
    const outcome = await acquire(owner, more, of);
    if (outcome.kind !== 'lead') throw new Error(`expected to lead, got ${outcome.kind}`);
    return outcome.lease;
  }

  async function stored(value = 'one') {
    const outcome = await store.commit(await lead(value), issued(value, LIFE));
    if (outcome.kind !== 'stored') throw new Error(`expected it stored, got ${outcome.kind}`);
    return outcome.token;
  }

  function listen(): StoreNews[] {
    const messages: StoreNews[] = [];
    store.subscribe((message) => messages.push(message));
    return messages;
  }

  const report = (scope: 'key' | 'credentials' | 'client' = 'key', firstMs = 200) => ({
    code: 'upstream_unavailable' as const,
    message: 'answered 503',
    scope,
    cooling: { firstMs, maxMs: firstMs * 4, stretch: 1 },
  });

  describe(`${name}: a lease`, () => {
    it('goes to one of many', async () => {
      const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => acquire(`owner-${i}`)));
      expect(outcomes.filter(({ kind }) => kind === 'lead')).toHaveLength(1);
      expect(outcomes.filter(({ kind }) => kind === 'busy')).toHaveLength(19);
    });

    it('tells the others how long it still runs', async () => {
      await lead('one');
      await passMs(100);
      const outcome = await acquire('two');
      expect(outcome.kind).toBe('busy');
      const { remainingMs } = outcome as { remainingMs: number };
      expect(Math.abs(remainingMs - (LEASE - 100))).toBeLessThanOrEqual(toleranceMs);
    });

    it('is given again to its owner, with the same generation', async () => {
      const first = await lead('one');
      expect((await lead('one')).generation).toBe(first.generation);
    });

    it('falls to another when it has run out, with a higher generation', async () => {
      const first = await lead('one');
      await passMs(LEASE + 1);
      expect((await lead('two')).generation).toBeGreaterThan(first.generation);
    });

    it('lives on while it is renewed', async () => {
      const lease = await lead('one');
      for (let i = 0; i < 3; i += 1) {
        await passMs(LEASE * 0.7);
        expect(await store.renew(lease, LEASE)).toBe('renewed');
      }
      expect((await acquire('two')).kind).toBe('busy');
    });

    it('comes back by renewal after it was lost, but not from another owner', async () => {
      const first = await lead('one');
      await passMs(LEASE + 1);
      expect(await store.renew(first, LEASE)).toBe('renewed');
      await passMs(LEASE + 1);
      await lead('two');
      expect(await store.renew(first, LEASE)).toBe('lost');
    });

    it('that its owner gives back is free at once, and everybody is told', async () => {
      const news = listen();
      const lease = await lead('one');
      await store.release(lease);
      expect((await acquire('two')).kind).toBe('lead');
      await passMs(20);
      expect(news).toContainEqual({ kind: 'failed', id: key.id, generation: lease.generation });
    });

    it('is not given back by anybody else', async () => {
      const slow = await lead('slow');
      await passMs(LEASE + 1);
      await lead('next');
      await store.release(slow);
      expect((await acquire('third')).kind).toBe('busy');
    });

    it('is not renewed once a token of its generation is stored', async () => {
      const lease = await lead('one');
      await store.commit(lease, issued('one', LIFE));
      expect(await store.renew(lease, LEASE)).toBe('superseded');
    });
  });

  describe(`${name}: a token`, () => {
    it('is a hit for everybody, with the life it has left', async () => {
      const { generation } = await stored('one');
      await passMs(100);
      const outcome = await acquire('two');
      if (outcome.kind !== 'hit') throw new Error(outcome.kind);
      expect(outcome.token.token.reveal()).toBe('one');
      expect(outcome.token.token.tokenType).toBe('Bearer');
      expect(outcome.token.token.scope).toBe('integrator_scope');
      expect(outcome.token.generation).toBe(generation);
      expect(outcome.token.lifeMs).toBe(LIFE);
      expect(Math.abs(outcome.token.remainingMs - (LIFE - 100))).toBeLessThanOrEqual(toleranceMs);
    });

    it('is a hit only if it is newer than the one held and has the life asked for', async () => {
      const { generation } = await stored();
      expect((await acquire('two', { haveGeneration: generation - 1 })).kind).toBe('hit');
      expect((await acquire('two', { haveGeneration: generation })).kind).toBe('lead');
      expect((await acquire('two', { minRemainingMs: LIFE - 1_000 })).kind).toBe('hit');
      expect((await acquire('two', { minRemainingMs: LIFE + 1 })).kind).toBe('lead');
    });

    it('lives from the grant of its lease, however late it is committed', async () => {
      const lease = await lead('one');
      await passMs(100);
      const outcome = await store.commit(lease, issued('one', LIFE));
      if (outcome.kind !== 'stored') throw new Error(outcome.kind);
      expect(Math.abs(outcome.token.remainingMs - (LIFE - 100))).toBeLessThanOrEqual(toleranceMs);
    });

    it('frees the lease and is told to everybody', async () => {
      const messages = listen();
      const { generation } = await stored();
      expect((await acquire('two', { haveGeneration: generation })).kind).toBe('lead');
      await passMs(20);
      expect(messages).toContainEqual({ kind: 'token', id: key.id, generation });
    });

    it('committed once more with the same lease, because the answer was lost, is the same token', async () => {
      const lease = await lead('one');
      await store.commit(lease, issued('one', LIFE));
      const again = await store.commit(lease, issued('one', LIFE));
      expect(again).toMatchObject({ kind: 'stored', token: { generation: lease.generation } });
    });

    it('of a slow leader does not overwrite a newer one; it gets the winner', async () => {
      const slow = await lead('slow');
      await passMs(LEASE + 1);
      const quick = await lead('quick');
      await store.commit(quick, issued('quick', LIFE));
      const outcome = await store.commit(slow, issued('slow', LIFE));
      expect(outcome.kind).toBe('superseded');
      expect(outcome.token?.token.reveal()).toBe('quick');
    });

    it('of a slow leader does not come back after the newer one was dropped', async () => {
      const slow = await lead('slow');
      await passMs(LEASE + 1);
      const { generation } = await stored('quick');
      await store.invalidate(key, generation, 1_000);
      expect(await store.commit(slow, issued('slow', LIFE))).toEqual({ kind: 'superseded', token: undefined });
      expect(await store.find(key)).toBeUndefined();
    });

    it('of a slow leader leaves the lease of the next one alone', async () => {
      const slow = await lead('slow');
      await passMs(LEASE + 1);
      await lead('next');
      await store.commit(slow, issued('slow', LIFE));
      const { generation } = (await store.find(key))!;
      expect((await acquire('third', { haveGeneration: generation })).kind).toBe('busy');
    });

    it('is found without a lease, until it has run out', async () => {
      expect(await store.find(key)).toBeUndefined();
      await store.commit(await lead('one'), issued('one', 200));
      expect((await store.find(key))?.token.reveal()).toBe('one');
      await passMs(201);
      expect(await store.find(key)).toBeUndefined();
      expect((await acquire('two')).kind).toBe('lead');
    });
  });

  describe(`${name}: a failure`, () => {
    it('is everybody’s until it has cooled, then one may try again', async () => {
      const messages = listen();
      const lease = await lead('one');
      const shared = await store.fail(lease, report());
      expect(shared).toMatchObject({ code: 'upstream_unavailable', message: 'answered 503', scope: 'key' });
      const outcome = await acquire('two');
      expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'upstream_unavailable', scope: 'key' } });
      await passMs(20);
      expect(messages).toContainEqual({ kind: 'failed', id: key.id, generation: lease.generation });
      await passMs(200);
      expect((await acquire('two')).kind).toBe('lead');
    });

    it('cools twice as long each time in a row, up to its limit, and once again after a success', async () => {
      for (const expected of [50, 100, 200, 200]) {
        const shared = await store.fail(await lead('one'), report('key', 50));
        expect(Math.abs(shared!.remainingMs - expected)).toBeLessThanOrEqual(toleranceMs);
        await passMs(expected + 1);
      }
      const { generation } = await stored();
      const shared = await store.fail(await lead('one', { haveGeneration: generation }), report('key', 50));
      expect(Math.abs(shared!.remainingMs - 50)).toBeLessThanOrEqual(toleranceMs);
    });

    it.each(['credentials', 'client'] as const)('of the %s holds back its other keys and no others', async (scope) => {
      const { client } = key.subject;
      const sibling = beside({ merchantVat: 'FI12345678' });
      const nextGeneration = beside({ credentialGeneration: 2 });
      await store.fail(await lead('one'), report(scope));
      expect((await acquire('two')).kind).toBe('failed');
      expect((await acquire('two', {}, sibling)).kind).toBe('failed');
      expect((await acquire('two', {}, nextGeneration)).kind).toBe(scope === 'client' ? 'failed' : 'lead');
      expect((await acquire('two', {}, beside({ client: `${client}-other` }))).kind).toBe('lead');
    });

    it('of one who lost the lease counts for nothing', async () => {
      const slow = await lead('slow');
      await passMs(LEASE + 1);
      await lead('next');
      expect(await store.fail(slow, report())).toBeUndefined();
      expect((await acquire('third')).kind).toBe('busy');
    });

    it('does not hide a token that still lives', async () => {
      const { generation } = await stored();
      await store.fail(await lead('one', { haveGeneration: generation }), report());
      expect((await acquire('two')).kind).toBe('hit');
      expect((await acquire('two', { haveGeneration: generation })).kind).toBe('failed');
    });
  });

  describe(`${name}: seeding`, () => {
    it('puts a token back with the life it has left, and tells everybody', async () => {
      const messages = listen();
      const token = { ...issued('kept', LIFE), generation: 5, remainingMs: 1_000 };
      expect(await store.seed(key, token, await store.now())).toBe('seeded');
      const found = (await store.find(key))!;
      expect(found.token.reveal()).toBe('kept');
      expect(found.generation).toBe(5);
      expect(Math.abs(found.remainingMs - 1_000)).toBeLessThanOrEqual(toleranceMs);
      await passMs(20);
      expect(messages).toContainEqual({ kind: 'token', id: key.id, generation: 5 });
    });

    it('counts the time that the command waited on its way', async () => {
      const token = { ...issued('kept', LIFE), generation: 5, remainingMs: 1_000 };
      expect(await store.seed(key, token, (await store.now()) - 400)).toBe('seeded');
      expect(Math.abs((await store.find(key))!.remainingMs - 600)).toBeLessThanOrEqual(toleranceMs);
      const dead = { ...token, generation: 6 };
      expect(await store.seed(key, dead, (await store.now()) - 1_000)).toBe('kept');
      expect((await store.find(key))!.generation).toBe(5);
    });

    it('does not believe that a token lives longer because the clock was set back on the way', async () => {
      const token = { ...issued('kept', LIFE), generation: 5, remainingMs: 1_000 };
      await store.seed(key, token, (await store.now()) + 3_600_000);
      expect(Math.abs((await store.find(key))!.remainingMs - 1_000)).toBeLessThanOrEqual(toleranceMs);
    });

    it('leaves a token at least as new alone', async () => {
      const { generation } = await stored('newer');
      const token = { ...issued('older', LIFE), generation, remainingMs: LIFE };
      expect(await store.seed(key, token, await store.now())).toBe('kept');
      expect((await store.find(key))?.token.reveal()).toBe('newer');
    });

    it('does not bring back what was invalidated, nor anything older', async () => {
      const { generation, ...token } = await stored('bad');
      await store.invalidate(key, generation, 1_000);
      expect(await store.seed(key, { ...token, generation }, await store.now())).toBe('invalidated');
      expect(await store.seed(key, { ...token, generation: generation - 1 }, await store.now())).toBe('invalidated');
      expect(await store.find(key)).toBeUndefined();
    });

    it('lets the next lease have a higher generation', async () => {
      const generation = 2 ** 52;
      await store.seed(key, { ...issued('kept', LIFE), generation, remainingMs: LIFE }, await store.now());
      expect((await lead('one', { haveGeneration: generation })).generation).toBeGreaterThan(generation);
    });
  });

  describe(`${name}: invalidation`, () => {
    it('drops the token of that generation once, and tells everybody', async () => {
      const messages = listen();
      const { generation } = await stored();
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => store.invalidate(key, generation, 500)));
      expect(outcomes.toSorted()).toEqual(
        ['invalidated', ...Array.from({ length: 9 }, () => 'not_current')].toSorted(),
      );
      expect(await store.find(key)).toBeUndefined();
      await passMs(20);
      expect(messages).toContainEqual({ kind: 'invalidated', id: key.id, generation });
    });

    it('leaves another generation alone', async () => {
      const { generation } = await stored();
      expect(await store.invalidate(key, generation - 1, 500)).toBe('not_current');
      expect(await store.find(key)).toBeDefined();
    });

    it('of a token that the store has lost is kept in mind: nobody may put it back', async () => {
      const messages = listen();
      const bad = { ...issued('bad', LIFE), generation: 5, remainingMs: LIFE };
      expect(await store.invalidate(key, 5, 500)).toBe('invalidated');
      expect(await store.seed(key, bad, await store.now())).toBe('invalidated');
      expect(await store.find(key)).toBeUndefined();
      await passMs(20);
      expect(messages).toContainEqual({ kind: 'invalidated', id: key.id, generation: 5 });
    });

    it('is believed once per interval', async () => {
      const first = await stored('one');
      await store.invalidate(key, first.generation, 500);
      const second = await stored('two');
      expect(await store.invalidate(key, second.generation, 500)).toBe('too_soon');
      expect((await store.find(key))?.token.reveal()).toBe('two');
      await passMs(501);
      expect(await store.invalidate(key, second.generation, 500)).toBe('invalidated');
    });
  });

  describe(`${name}: the way to the upstream`, () => {
    const merchants = (count: number) =>
      Array.from({ length: count }, (_, i) => beside({ merchantVat: `DK${10_000_000 + i}` }));

    it('is taken by a few all of a client at once, and by the next when one has finished', async () => {
      const all = merchants(MOST_CALLS_PER_CLIENT + 1);
      const leases = [];
      for (const each of all.slice(1)) leases.push(await lead(`of ${each.id}`, {}, each));
      expect((await acquire('two', {}, all[0])).kind).toBe('busy');
      expect((await acquire('two', {}, beside({ client: 'another' }))).kind).toBe('lead');
      await store.commit(leases[0]!, issued('one', LIFE));
      expect((await acquire('two', {}, all[0])).kind).toBe('lead');
    });

    it('is free again when a leader that was killed has lost its lease', async () => {
      const all = merchants(MOST_CALLS_PER_CLIENT + 1);
      for (const each of all.slice(1)) await lead(`of ${each.id}`, {}, each);
      await passMs(LEASE + 1);
      expect((await acquire('two', {}, all[0])).kind).toBe('lead');
    });

    async function tripped() {
      const all = merchants(BREAKER.failures + 2);
      for (const each of all.slice(2)) await store.fail(await lead('one', {}, each), report());
      return all as [typeof key, typeof key];
    }

    it('is closed to all after so many transport failures in a row', async () => {
      const [next] = await tripped();
      const outcome = await acquire('two', {}, next);
      expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'upstream_unavailable' } });
      const { remainingMs } = (outcome as { failure: { remainingMs: number } }).failure;
      expect(Math.abs(remainingMs - BREAKER.firstMs)).toBeLessThanOrEqual(toleranceMs);
      expect((await store.inspectUpstream(next)).breaker).toMatchObject({ state: 'open', failures: BREAKER.failures });
    });

    it.each(['merchant_rejected', 'upstream_invalid'] as const)('stays open after any number of %s', async (code) => {
      const [next, ...all] = merchants(2 * BREAKER.failures);
      for (const each of all) await store.fail(await lead('one', {}, each), { ...report(), code });
      expect((await acquire('two', {}, next)).kind).toBe('lead');
    });

    it('is open again after one answer', async () => {
      const [next, ...all] = merchants(BREAKER.failures + 1);
      for (const each of all.slice(1)) await store.fail(await lead('one', {}, each), report());
      await store.commit(await lead('one', {}, all[0]), issued('one', LIFE));
      await store.fail(await lead('one', {}, next), report());
      expect((await store.inspectUpstream(key)).breaker).toMatchObject({ state: 'closed', failures: 1 });
    });
  });

  describe(`${name}: a report`, () => {
    it('shows the token without its value, the lease and the failure', async () => {
      const { generation } = await stored('one');
      const lease = await lead('two', { haveGeneration: generation });
      const { token } = issued('one');
      expect(await store.inspect(key)).toMatchObject({
        subject: key.subject,
        token: { tokenId: token.tokenId, generation, lifeMs: LIFE, refreshedBy: 'one' },
        lease: { owner: 'two', generation: lease.generation },
        failure: undefined,
      });
      await store.fail(lease, report('key', 300));
      const { lease: none, failure } = await store.inspect(key);
      expect(none).toBeUndefined();
      expect(failure).toMatchObject({ code: 'upstream_unavailable', message: 'answered 503', inARow: 1 });
    });

    it('of a key that nobody asked for is empty', async () => {
      const nothing = { token: undefined, lease: undefined, failure: undefined };
      expect(await store.inspect(key)).toEqual({ subject: key.subject, ...nothing });
      expect(await store.inspectUpstream(key)).toMatchObject({ heldBack: undefined, calls: 0 });
    });

    it('of the upstream shows what holds the client back', async () => {
      await store.fail(await lead('one'), report('client'));
      expect(await store.inspectUpstream(key)).toMatchObject({
        heldBack: { scope: 'client', message: 'answered 503' },
      });
    });

    it('of all keys comes in pages, by client and merchant, and can be narrowed to a client', async () => {
      const vats = ['FI00000001', 'DK00000003', 'DK00000002', undefined, 'DK00000001'];
      for (const merchantVat of vats) {
        await store.commit(await lead('one', {}, beside({ merchantVat })), issued('one', LIFE));
      }
      await store.commit(await lead('one', {}, beside({ client: `${key.subject.client}0` })), issued('one', LIFE));
      const seen: (string | undefined)[] = [];
      let after: string | undefined;
      do {
        const page = await store.list({ client: key.subject.client, limit: 2, after });
        expect(page.items.length).toBeLessThanOrEqual(2);
        seen.push(...page.items.map(({ subject }) => subject.merchantVat));
        after = page.next;
      } while (after !== undefined);
      expect(seen).toEqual([undefined, 'DK00000001', 'DK00000002', 'DK00000003', 'FI00000001']);
    });
  });

  describe(`${name}: listening`, () => {
    it('ends when told to', async () => {
      const heard: StoreNews[] = [];
      const stop = store.subscribe((message) => heard.push(message));
      stop();
      await stored();
      await passMs(20);
      expect(heard).toEqual([]);
    });
  });
}
