import { RefreshBusyError, ValidityUnavailableError } from '#token';

import { aKey, replicas, warm } from '../../../test/support/tokens.js';

const SECOND = 1_000;
const LIFE = 3_700 * SECOND;
const REFRESH_POINT = 0.75 * LIFE;
const key = aKey();

describe('many callers of a cold key', () => {
  it('calls the issuer once for 1000 callers', async () => {
    const { broker, clock, issuer } = replicas();
    const answers = Array.from({ length: 1_000 }, () => broker.get(key, 0));
    await clock.advance(100);
    const tokens = new Set((await Promise.all(answers)).map((held) => held.token.tokenId));
    expect(tokens.size).toBe(1);
    expect(issuer.calls).toBe(1);
  });

  it('calls the issuer once for 500 cold callers on two replicas', async () => {
    const { brokers, clock, issuer } = replicas(2);
    const answers = Array.from({ length: 500 }, (_, i) => brokers[i % 2]!.get(key, 0));
    await clock.advance(100);
    const tokens = new Set((await Promise.all(answers)).map((held) => held.token.tokenId));
    expect(tokens.size).toBe(1);
    expect(issuer.calls).toBe(1);
  });

  it('wakes a waiting replica with the message, not with the poll', async () => {
    const { brokers, clock, issuer } = replicas(2);
    issuer.latencyMs = 101;
    const answers = brokers.map((broker) => broker.get(key, 0));
    await clock.advance(101);
    await expect(Promise.all(answers)).resolves.toHaveLength(2);
  });

  it('keeps merchants apart', async () => {
    const { broker, clock, issuer } = replicas();
    const one = broker.get(key, 0);
    const other = broker.get(aKey({ merchantVat: 'FI12345678' }), 0);
    await clock.advance(100);
    expect((await one).token.tokenId).not.toBe((await other).token.tokenId);
    expect(issuer.calls).toBe(2);
  });

  it('lets a caller give up without ending the refresh for the others', async () => {
    const { broker, clock, issuer } = replicas(1, { policy: { waitBudgetMs: 1_000 } });
    issuer.latencyMs = 1_500;
    const impatient = broker.get(key, 0);
    const refused = expect(impatient).rejects.toThrow(RefreshBusyError);
    await clock.advance(900);
    const late = broker.get(key, 0);
    await clock.advance(600);
    await refused;
    await expect(late).resolves.toMatchObject({ generation: expect.any(Number) });
    expect(issuer.calls).toBe(1);
  });

  it('gives up on an issuer that never answers, and tells it so', async () => {
    const { broker, clock, issuer } = replicas(1, { policy: { waitBudgetMs: 60_000 } });
    issuer.latencyMs = 10_000_000;
    const answer = expect(broker.get(key, 0)).rejects.toMatchObject({ code: 'upstream_unavailable' });
    await clock.advance(30_000);
    await answer;
    expect(issuer.signals[0]!.aborted).toBe(true);
  });
});

describe('a token in memory', () => {
  it('is answered without a promise', async () => {
    const { broker, first } = await warm();
    expect(broker.find(key, 0)).toBe(first);
  });

  it('is never given out inside the safety margin', async () => {
    const { broker, clock, first } = await warm();
    clock.freeze(first.expiresAtMs - clock.now() - 60 * SECOND);
    expect(broker.find(key, 0)).toBe(first);
    clock.freeze(1);
    expect(broker.find(key, 0)).toBeUndefined();
  });

  it('is never given out with less life than the caller asked for', async () => {
    const { broker, clock, first } = await warm();
    clock.freeze(first.expiresAtMs - clock.now() - 600 * SECOND);
    expect(broker.find(key, 600 * SECOND)).toBe(first);
    clock.freeze(1);
    expect(broker.find(key, 600 * SECOND)).toBeUndefined();
    expect(broker.find(key, 0)).toBe(first);
  });

  it('is not refreshed for a caller who asks for more life than a new one has', async () => {
    const setup = replicas();
    setup.issuer.lifeMs = 300 * SECOND;
    const { broker, issuer } = await warm(setup);
    await expect(broker.get(key, 400 * SECOND)).rejects.toThrow(ValidityUnavailableError);
    expect(issuer.calls).toBe(1);
  });

  it('is refreshed once the caller asks for more life than an older one has', async () => {
    const { broker, clock, issuer, first } = await warm();
    clock.freeze(first.expiresAtMs - clock.now() - 590 * SECOND);
    const longer = broker.get(key, 600 * SECOND);
    await clock.advance(100);
    expect((await longer).generation).toBeGreaterThan(first.generation);
    expect(issuer.calls).toBe(2);
  });

  it('counts its life from the moment it was asked for', async () => {
    const setup = replicas();
    const askedAtMs = setup.clock.now();
    const { first } = await warm(setup);
    expect(first.expiresAtMs).toBe(askedAtMs + LIFE);
  });

  it('is forgotten when nobody can use it any more', async () => {
    const { broker, clock } = await warm();
    await clock.advance(LIFE);
    expect(broker.find(key, 0)).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('invalidation', () => {
  it('drops the token everywhere, and the next caller gets a new one', async () => {
    const { brokers, clock, issuer } = replicas(2);
    const answers = Promise.all(brokers.map((broker) => broker.get(key, 0)));
    await clock.advance(100);
    const [held] = await answers;
    expect(await brokers[0]!.invalidate(key, held!.token.tokenId)).toBe(true);
    for (const broker of brokers) expect(broker.find(key, 0)).toBeUndefined();
    const next = Promise.all(brokers.map((broker) => broker.get(key, 0)));
    await clock.advance(100);
    expect((await next)[0]!.generation).toBeGreaterThan(held!.generation);
    expect(issuer.calls).toBe(2);
  });

  it('of one bad token by 100 callers is one refresh', async () => {
    const { broker, clock, issuer, first } = await warm();
    const reports = await Promise.all(Array.from({ length: 100 }, () => broker.invalidate(key, first.token.tokenId)));
    expect(reports.filter(Boolean)).toHaveLength(1);
    const answers = Promise.all(Array.from({ length: 100 }, () => broker.get(key, 0)));
    await clock.advance(100);
    await answers;
    expect(issuer.calls).toBe(2);
  });

  it('of a token that is not the current one changes nothing', async () => {
    const { broker, first } = await warm();
    expect(await broker.invalidate(key, 'AAAAAAAAAAAAAAAA')).toBe(false);
    expect(await broker.invalidate(aKey({ client: 'other' }), first.token.tokenId)).toBe(false);
    expect(broker.find(key, 0)).toBe(first);
  });

  it('is believed once in 30 s', async () => {
    const { broker, clock, first, events } = await warm();
    expect(await broker.invalidate(key, first.token.tokenId)).toBe(true);
    const second = broker.get(key, 0);
    await clock.advance(100);
    const { tokenId } = (await second).token;
    expect(await broker.invalidate(key, tokenId)).toBe(false);
    expect(events.at(-1)).toMatchObject({ kind: 'invalidation', outcome: 'too_soon' });
    expect(broker.find(key, 0)).toBeDefined();
    await clock.advance(30 * SECOND);
    expect(await broker.invalidate(key, tokenId)).toBe(true);
  });

  it('finds a token that only another replica holds in memory', async () => {
    const { brokers, clock } = replicas(2);
    const answer = brokers[0]!.get(key, 0);
    await clock.advance(100);
    const { tokenId } = (await answer).token;
    expect(await brokers[1]!.invalidate(key, tokenId)).toBe(true);
    expect(brokers[0]!.find(key, 0)).toBeUndefined();
  });
});

describe('a slow leader', () => {
  it('renews its lease, so that nobody else calls', async () => {
    const { brokers, clock, issuer } = replicas(2, { policy: { waitBudgetMs: 60_000 } });
    issuer.latencyMs = 25_000;
    const answers = Promise.all(brokers.map((broker) => broker.get(key, 0)));
    await clock.advance(25_300);
    expect((await answers)[0]!.token.tokenId).toBe((await answers)[1]!.token.tokenId);
    expect(issuer.calls).toBe(1);
  });

  it('that was stopped between the grant and its call asks for the lease again', async () => {
    const setup = replicas();
    const { store, clock } = setup;
    const acquire = store.acquire.bind(store);
    let asked = 0;
    store.acquire = async (...args) => {
      const outcome = await acquire(...args);
      asked += 1;
      if (asked === 1) clock.freeze(7_000);
      return outcome;
    };
    const answer = setup.broker.get(key, 0);
    await clock.advance(7_100);
    await expect(answer).resolves.toBeDefined();
    expect(asked).toBe(2);
    expect(setup.issuer.calls).toBe(1);
  });
});

describe('forgetting', () => {
  it('lets go of stale keys and their timers, and of no others', async () => {
    const { broker, clock, issuer } = await warm();
    const next = aKey({ credentialGeneration: 2 });
    const answer = broker.get(next, 0);
    await clock.advance(100);
    broker.find(key, 0);
    broker.forget((subject) => subject.credentialGeneration < 2);
    expect(broker.find(key, 0)).toBeUndefined();
    expect(broker.find(next, 0)).toBe(await answer);
    await clock.advance(REFRESH_POINT + 100);
    // Both had been asked for: only the one that was kept is renewed.
    expect(issuer.calls).toBe(3);
  });
});
