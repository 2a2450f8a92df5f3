import { IssuerError } from '#token';

import { aKey, replicas, warm } from '../../../test/support/tokens.js';

const SECOND = 1_000;
const key = aKey();

it('tells how a refresh got its lease, or what it found instead', async () => {
  const { brokers, clock, events } = replicas(2);
  const origin = { correlationId: 'till-7' };
  const answers = brokers.map((broker) => broker.get(aKey(), 0, origin));
  await clock.advance(100);
  await Promise.all(answers);
  expect(events.filter(({ kind }) => kind === 'lease')).toEqual([
    { kind: 'lease', key: aKey(), cause: 'demand', origin, outcome: 'lead', tookMs: 0, waited: false },
    { kind: 'lease', key: aKey(), cause: 'demand', origin, outcome: 'hit', tookMs: 100, waited: true },
  ]);
  expect(events.find(({ kind }) => kind === 'refreshed')).toMatchObject({ origin });
});

it('a renewal ahead has an origin of its own, the same in all that is told of it', async () => {
  const { broker, clock, events, first } = await warm();
  await clock.advance(first.refreshAtMs - clock.now());
  broker.find(key, 0);
  await clock.advance(100);
  const told = events.filter((event) => 'cause' in event && event.cause === 'ahead');
  expect(told.map(({ kind }) => kind)).toEqual(['lease', 'refreshed']);
  for (const event of told) expect(event).toMatchObject({ origin: { correlationId: 'ahead-1' } });
});

describe('a failure', () => {
  const unavailable = new IssuerError('upstream_unavailable', 'answered 503');
  const rejected = new IssuerError('credentials_rejected', 'invalid_client', { scope: 'credentials' });

  async function failing(error: Error, setup = replicas()) {
    setup.issuer.failWith(error);
    const answer = setup.broker.get(key, 0).catch((e: unknown) => e);
    await setup.clock.advance(100);
    return { ...setup, error: (await answer) as IssuerError };
  }

  it('is one call for 600 waiters on three replicas, who all get the same error', async () => {
    const { brokers, clock, issuer } = replicas(3);
    issuer.failWith(unavailable);
    const answers = Array.from({ length: 600 }, (_, i) => brokers[i % 3]!.get(key, 0).catch((e: unknown) => e));
    await clock.advance(100);
    for (const error of await Promise.all(answers)) {
      expect(error).toMatchObject({ code: 'upstream_unavailable', message: 'answered 503' });
    }
    expect(issuer.calls).toBe(1);
  });

  it('keeps everybody from calling again until it has cooled', async () => {
    const { broker, clock, issuer, error } = await failing(unavailable);
    expect(error.retryAfterMs).toBeCloseTo(800, 5);
    await expect(broker.get(key, 0)).rejects.toMatchObject({ code: 'upstream_unavailable' });
    expect(issuer.calls).toBe(1);
    issuer.failWith(undefined);
    await clock.advance(801);
    const token = broker.get(key, 0);
    await clock.advance(100);
    await expect(token).resolves.toBeDefined();
    expect(issuer.calls).toBe(2);
  });

  it.each([
    // The fifth opens the breaker of the endpoint, which has times of its own.
    ['upstream_unavailable', [0.8, 1.6, 3.2, 6.4, 12.8]],
    ['upstream_invalid', [0.8, 1.6, 3.2, 6.4, 12.8, 24, 24]],
    ['credentials_rejected', [30, 60, 120, 240, 480, 900, 900]],
    ['merchant_rejected', [30, 60, 120, 240, 480, 900, 900]],
  ] as const)('%s cools twice as long each time it repeats, in seconds %j', async (code, seconds) => {
    const setup = replicas();
    for (const expected of seconds) {
      const { error } = await failing(new IssuerError(code, 'no'), setup);
      expect(error.retryAfterMs! / SECOND).toBeCloseTo(expected, 5);
      await setup.clock.advance(error.retryAfterMs! + 1);
    }
    expect(setup.issuer.calls).toBe(seconds.length);
  });

  it('of the transport, five times in a row, stops every key of the endpoint; then one may probe', async () => {
    const setup = replicas(2);
    const { brokers, clock, issuer } = setup;
    const keys = Array.from({ length: 20 }, (_, i) => aKey({ client: `client-${i}` }));
    issuer.failWith(unavailable);
    for (const each of keys.slice(0, 5)) {
      const answer = brokers[0]!.get(each, 0).catch((e: unknown) => e);
      await clock.advance(100);
      await answer;
    }
    expect(issuer.calls).toBe(5);
    for (const openMs of [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]) {
      await expect(brokers[1]!.get(keys[5]!, 0)).rejects.toMatchObject({ message: expect.stringContaining('breaker') });
      await clock.advance(openMs - 200);
      await expect(brokers[1]!.get(keys[6]!, 0)).rejects.toMatchObject({ message: expect.stringContaining('breaker') });
      const before = issuer.calls;
      await clock.advance(200);
      const probes = keys.slice(7).map((each, i) => brokers[i % 2]!.get(each, 0).catch((e: unknown) => e));
      await clock.advance(100);
      await Promise.all(probes);
      expect(issuer.calls).toBe(before + 1);
    }
    issuer.failWith(undefined);
    await clock.advance(300_000);
    const probe = brokers[0]!.get(keys[8]!, 0);
    await clock.advance(100);
    await probe;
    const after = brokers[1]!.get(keys[9]!, 0);
    await clock.advance(100);
    await expect(after).resolves.toBeDefined();
  });

  it('starts over after a success', async () => {
    const setup = replicas();
    const first = await failing(unavailable, setup);
    await setup.clock.advance(first.error.retryAfterMs! + 1);
    setup.issuer.failWith(undefined);
    const { first: token } = await warm(setup);
    expect(await setup.broker.invalidate(key, token.token.tokenId)).toBe(true);
    const again = await failing(unavailable, setup);
    expect(again.error.retryAfterMs).toBeCloseTo(800, 5);
  });

  it.each([
    [7_000, 7_000],
    [0, 1_000],
    [1e9, 3_600_000],
  ])(
    'waits as long as the upstream asked, one second at least and one hour at most: %i ms is %i ms',
    async (asked, ms) => {
      const error = new IssuerError('upstream_unavailable', '429', { scope: 'client', retryAfterMs: asked });
      expect((await failing(error)).error.retryAfterMs).toBe(ms);
    },
  );

  it.each([
    ['credentials', aKey({ merchantVat: 'FI12345678' }), aKey({ credentialGeneration: 2 })],
    ['client', aKey({ credentialGeneration: 2 }), aKey({ client: 'other' })],
    ['key', aKey(), aKey({ merchantVat: 'FI12345678' })],
  ] as const)('of scope %s holds back its keys and no others', async (scope, heldBack, free) => {
    const { broker, clock, issuer } = await failing(new IssuerError(rejected.code, 'no', { scope }));
    await expect(broker.get(heldBack, 0)).rejects.toMatchObject({ code: 'credentials_rejected' });
    expect(issuer.calls).toBe(1);
    issuer.failWith(undefined);
    const token = broker.get(free, 0);
    await clock.advance(100);
    await expect(token).resolves.toBeDefined();
  });

  it('that nobody foresaw is reported, and reaches the caller without its details', async () => {
    const { error, events } = await failing(new TypeError('canary'));
    expect(error).toMatchObject({ code: 'upstream_unavailable' });
    expect(error.message).not.toContain('canary');
    expect(events.map((event) => event.kind)).toEqual(['lease', 'fault', 'failed']);
  });

  it('is what a token without enough life for anybody comes to', async () => {
    const setup = replicas();
    setup.issuer.lifeMs = 60 * SECOND;
    const answer = expect(setup.broker.get(key, 0)).rejects.toMatchObject({ code: 'upstream_invalid' });
    await setup.clock.advance(100);
    await answer;
  });
});
