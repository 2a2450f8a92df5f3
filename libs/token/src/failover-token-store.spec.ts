import { FailoverTokenStore, IssuerError, type TokenBroker } from '#token';

import { AwayStore } from '../../../test/support/away-store.js';
import { aKey, replicas } from '../../../test/support/tokens.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const GRACE = 3_500;
const key = aKey();

/** Replicas whose shared store can be taken away. Their issuer takes 100 ms. */
function setup(count = 1) {
  let away!: AwayStore;
  const all = replicas(count, {
    store: (clock) => {
      away = new AwayStore(clock);
      return away.store;
    },
    perReplica: (store, clock) => new FailoverTokenStore(store, clock, GRACE),
  });
  return { ...all, away };
}

async function answered(ask: Promise<unknown>, clock: { advance: (ms: number) => Promise<void> }, withinMs: number) {
  let value: unknown;
  ask.then(
    (got) => (value = got),
    (error: unknown) => (value = error),
  );
  await clock.advance(withinMs);
  return value as Awaited<ReturnType<TokenBroker['get']>> | undefined;
}

describe('while the shared store is away', () => {
  it('a warm token is answered without a call, and not renewed as long as it has life to spare', async () => {
    const { broker, clock, issuer, away } = setup();
    await answered(broker.get(key, 0), clock, 100);
    away.goAway();
    await clock.advance(3_400 * SECOND);
    for (let i = 0; i < 10; i += 1) {
      expect(broker.find(key, 0)).toBeDefined();
      await clock.advance(10 * SECOND);
    }
    expect(issuer.calls).toBe(1);
  });

  it('a warm token is renewed alone when its life runs out, before anybody has to wait', async () => {
    const { broker, clock, issuer, away, events } = setup();
    await answered(broker.get(key, 0), clock, 100);
    away.goAway();
    await clock.advance(3_570 * SECOND);
    for (let i = 0; i < 60; i += 1) {
      expect(broker.find(key, 0)).toBeDefined();
      await clock.advance(2 * SECOND);
    }
    expect(issuer.calls).toBe(2);
    expect(events.at(-1)).toMatchObject({ kind: 'refreshed', cause: 'ahead', alone: true });
  });

  it('a cold key waits out the grace, then costs one call per replica', async () => {
    const { brokers, clock, issuer, away } = setup(3);
    away.goAway();
    const asks = Array.from({ length: 60 }, (_, i) => brokers[i % 3]!.get(key, 0));
    await clock.advance(GRACE - 1);
    expect(issuer.calls).toBe(0);
    await clock.advance(1_000);
    await Promise.all(asks);
    expect(issuer.calls).toBe(3);
  });

  it('the grace is spent once, not once for each key', async () => {
    const { broker, clock, away } = setup();
    away.goAway();
    await answered(broker.get(key, 0), clock, GRACE + 1_000);
    expect(await answered(broker.get(aKey({ client: 'next' }), 0), clock, 500)).toHaveProperty('token');
  });

  it('failures are shared and cool within the replica', async () => {
    const { broker, clock, issuer, away } = setup();
    away.goAway();
    issuer.failWith(new IssuerError('credentials_rejected', 'no', { scope: 'credentials' }));
    await answered(broker.get(key, 0), clock, GRACE + 1_000);
    const other = aKey({ merchantVat: 'FI12345678' });
    expect(await answered(broker.get(other, 0), clock, 1_000)).toMatchObject({ code: 'credentials_rejected' });
    expect(issuer.calls).toBe(1);
  });

  it('a token reported as bad is dropped here at once, and everywhere when the store is back', async () => {
    const { brokers, clock, issuer, away } = setup(2);
    const bad = await answered(brokers[0]!.get(key, 0), clock, 100);
    await answered(brokers[1]!.get(key, 0), clock, 100);
    away.goAway();
    const { tokenId } = bad!.token;
    expect(await brokers[0]!.invalidate(key, tokenId)).toBe(true);
    expect(await brokers[0]!.invalidate(key, tokenId)).toBe(false);
    expect(brokers[0]!.find(key, 0)).toBeUndefined();
    away.comeBack();
    await clock.advance(10);
    expect(brokers[1]!.find(key, 0)).toBeUndefined();
    const asks = brokers.map((each) => each.get(key, 0));
    await clock.advance(2_000);
    const got = await Promise.all(asks);
    expect(new Set(got.map(({ token }) => token.tokenId)).size).toBe(1);
    expect(issuer.calls).toBe(2);
  });
});

describe('an outage shorter than the grace', () => {
  it('costs no call beyond the one', async () => {
    const { brokers, clock, issuer, away } = setup(4);
    away.goAway();
    const asks = brokers.map((each) => each.get(key, 0));
    await clock.advance(GRACE - 500);
    away.comeBack();
    await clock.advance(2_000);
    await Promise.all(asks);
    expect(issuer.calls).toBe(1);
  });

  it('that lets the commit fail costs none, although the store has lost all its data', async () => {
    const { brokers, clock, issuer, away } = setup(4);
    const asks = brokers.map((each) => each.get(key, 0));
    await clock.advance(50);
    away.goAway();
    await clock.advance(1_200);
    away.comeBack({ empty: true });
    await clock.advance(2_000);
    const got = await Promise.all(asks);
    expect(issuer.calls).toBe(1);
    expect(new Set(got.map(({ token }) => token.tokenId)).size).toBe(1);
  });

  it('in the middle of a call that goes on after it costs none: the leader takes its lease again', async () => {
    const { brokers, clock, issuer, away } = setup(4);
    issuer.latencyMs = 5_000;
    const asks = brokers.map((each) => each.get(key, 0));
    await clock.advance(1_000);
    away.goAway();
    await clock.advance(1_200);
    away.comeBack({ empty: true });
    await clock.advance(6_000);
    await Promise.all(asks);
    expect(issuer.calls).toBe(1);
  });
});

describe('an outage that nobody has looked at', () => {
  it('for a while, because the process was stopped, may be over: nobody calls alone', async () => {
    const { broker, clock, issuer, away } = setup();
    away.goAway();
    await clock.advance(GRACE + SECOND);
    away.stopLooking();
    clock.freeze(MINUTE);
    const ask = broker.get(key, 0);
    await clock.advance(500);
    expect(issuer.calls).toBe(0);
    away.comeBack();
    await clock.advance(2 * SECOND);
    await ask;
    expect(issuer.calls).toBe(1);
  });

  it('since before its grace was over may have ended within it: nobody calls alone', async () => {
    const { broker, clock, issuer, away } = setup();
    away.goAway();
    await clock.advance(GRACE - 100);
    away.stopLooking();
    const ask = broker.get(key, 0);
    await clock.advance(SECOND);
    expect(issuer.calls).toBe(0);
    away.comeBack();
    await clock.advance(2 * SECOND);
    await ask;
    expect(issuer.calls).toBe(1);
  });
});

describe('when the store is back', () => {
  it('without its data, replicas put back what they hold, and a new replica needs no call', async () => {
    const { brokers, clock, issuer, away } = setup(2);
    const first = await answered(brokers[0]!.get(key, 0), clock, 100);
    away.goAway();
    await clock.advance(SECOND);
    away.comeBack({ empty: true });
    const again = await answered(brokers[1]!.get(key, 0), clock, 600);
    expect(again!.token.tokenId).toBe(first!.token.tokenId);
    expect(issuer.calls).toBe(1);
  });

  it('a token got alone is put into it, with a generation that holds', async () => {
    const { brokers, clock, issuer, away } = setup(2);
    await answered(brokers[0]!.get(aKey({ client: 'earlier' }), 0), clock, 100);
    away.goAway();
    const alone = await answered(brokers[0]!.get(key, 0), clock, GRACE + 1_000);
    away.comeBack();
    const shared = await answered(brokers[1]!.get(key, 0), clock, 600);
    expect(shared!.token.tokenId).toBe(alone!.token.tokenId);
    expect(issuer.calls).toBe(2);
    // The next refresh is led under a newer one.
    await clock.advance(55 * MINUTE);
    brokers[1]!.find(key, 0);
    await clock.advance(SECOND);
    expect(brokers[1]!.find(key, 0)!.generation).toBeGreaterThan(alone!.generation);
  });

  it('while a replica calls alone, its token is put there as well', async () => {
    const { brokers, clock, issuer, away } = setup(2);
    issuer.latencyMs = 2_000;
    away.goAway();
    const alone = brokers[0]!.get(key, 0);
    await clock.advance(GRACE + SECOND);
    away.comeBack();
    await clock.advance(2 * SECOND);
    const { token } = await alone;
    const shared = await answered(brokers[1]!.get(key, 0), clock, 600);
    expect(shared!.token.tokenId).toBe(token.tokenId);
    expect(issuer.calls).toBe(1);
  });
});

it('a replica that stops gives its leases back', async () => {
  const { brokers, clock, issuer } = setup(2);
  issuer.latencyMs = 60 * SECOND;
  const given = brokers[0]!.get(key, 0).catch((error: unknown) => error);
  await clock.advance(100);
  const closed = brokers[0]!.close(SECOND);
  await clock.advance(SECOND);
  await closed;
  issuer.latencyMs = 100;
  const next = await answered(brokers[1]!.get(key, 0), clock, 500);
  expect(next).toHaveProperty('token');
  await clock.advance(60 * SECOND);
  await given;
});
