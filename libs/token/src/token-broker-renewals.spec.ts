import { IssuerError, type TokenBroker } from '#token';

import { aKey, replicas, warm } from '../../../test/support/tokens.js';

const SECOND = 1_000;
const LIFE = 3_700 * SECOND;
const REFRESH_POINT = 0.75 * LIFE;
const key = aKey();

describe('renewal ahead of expiry', () => {
  it('happens at the refresh point while callers go on getting the valid token', async () => {
    const { broker, clock, issuer, first } = await warm();
    broker.find(key, 0);
    await clock.advance(REFRESH_POINT - 101);
    expect(issuer.calls).toBe(1);
    await clock.advance(1);
    expect(issuer.calls).toBe(2);
    expect(broker.find(key, 0)).toBe(first);
    await clock.advance(100);
    expect(broker.find(key, 0)!.generation).toBeGreaterThan(first.generation);
  });

  it('comes earlier by the jitter, 120 s at most', async () => {
    const { first } = await warm(replicas(1, { random: () => 0.5 }));
    expect(first.refreshAtMs - first.startedAtMs).toBe(REFRESH_POINT - 60 * SECOND);
  });

  it('keeps the jitter of a short-lived token to a tenth of its life', async () => {
    const setup = replicas(1, { random: () => 0.999, policy: { safetyMarginMs: 5 * SECOND } });
    setup.issuer.lifeMs = 30 * SECOND;
    const { first } = await warm(setup);
    expect(first.refreshAtMs - first.startedAtMs).toBeCloseTo(22_500 - 2_997, 5);
  });

  it('leaves a token alone that nobody asked for since it came', async () => {
    const { clock, issuer } = await warm();
    await clock.advance(LIFE);
    expect(issuer.calls).toBe(1);
  });

  it('is made for whoever was given a token that another replica had renewed', async () => {
    const { brokers, clock, issuer } = replicas(2);
    const [first, second] = brokers as [TokenBroker, TokenBroker];
    void first.get(key, 0);
    await clock.advance(1_000);
    await second.get(key, 0);
    await clock.advance(REFRESH_POINT);
    expect(issuer.calls).toBe(2);
    // Since then nobody has asked, here or there.
    await clock.advance(LIFE);
    expect(issuer.calls).toBe(2);
  });

  it('is made at once if that token is past its refresh point', async () => {
    const { brokers, clock, issuer } = replicas(2);
    const [first, second] = brokers as [TokenBroker, TokenBroker];
    void first.get(key, 0);
    await clock.advance(REFRESH_POINT + 10 * SECOND);
    expect(issuer.calls).toBe(1);
    const held = await second.get(key, 0);
    await clock.advance(100);
    expect(issuer.calls).toBe(2);
    expect(second.find(key, 0)?.generation).toBeGreaterThan(held.generation);
  });

  it('is not made for those who waited together for the first token', async () => {
    const { brokers, clock, issuer } = replicas(2);
    for (const broker of brokers) void broker.get(key, 0);
    await clock.advance(LIFE);
    expect(issuer.calls).toBe(1);
  });

  it('starts with the first caller after the refresh point if nobody had asked before', async () => {
    const { broker, clock, issuer, first } = await warm();
    await clock.advance(REFRESH_POINT + SECOND);
    expect(issuer.calls).toBe(1);
    expect(broker.find(key, 0)).toBe(first);
    expect(broker.find(key, 0)).toBe(first);
    await clock.advance(100);
    expect(issuer.calls).toBe(2);
    expect(broker.find(key, 0)).not.toBe(first);
  });

  it('never withholds a valid token because a refresh failed, and tries again when the failure has cooled', async () => {
    const { broker, clock, issuer, first } = await warm();
    broker.find(key, 0);
    issuer.failWith(new IssuerError('upstream_unavailable', 'answered 503'));
    await clock.advance(REFRESH_POINT);
    expect(broker.find(key, 0)).toBe(first);
    expect(issuer.calls).toBe(2);
    issuer.failWith(undefined);
    await clock.advance(1 * SECOND + 200);
    expect(issuer.calls).toBe(3);
    expect(broker.find(key, 0)).not.toBe(first);
  });

  it('is done by one replica; the others take the new token without waiting', async () => {
    const { brokers, clock, issuer } = replicas(3);
    const firsts = Promise.all(brokers.map((broker) => broker.get(key, 0)));
    await clock.advance(100);
    const [first] = await firsts;
    for (const broker of brokers) broker.find(key, 0);
    await clock.advance(REFRESH_POINT + 100);
    expect(issuer.calls).toBe(2);
    const second = new Set(brokers.map((broker) => broker.find(key, 0)!.token.tokenId));
    expect(second.size).toBe(1);
    expect(second).not.toContain(first!.token.tokenId);
  });

  it('stops when the broker is closed', async () => {
    const { broker, clock, issuer } = await warm();
    broker.find(key, 0);
    await broker.close();
    await clock.advance(LIFE);
    expect(issuer.calls).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });
});
