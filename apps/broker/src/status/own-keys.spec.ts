import { defaultPolicy, IssuerError } from '#token';

import { aKey, replicas } from '../../../../test/support/tokens.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { TokenEvents } from '../token/token-events.js';
import { OwnKeys } from './own-keys.js';

function setUp() {
  const setup = replicas();
  const events = new TokenEvents();
  const own = new OwnKeys(events, setup.broker, { policy: defaultPolicy } as BrokerConfig);
  /** What the core has reported so far, to whoever listens here. */
  const tell = () => setup.events.splice(0).forEach((event) => events.emit(event));
  /** Looks anew at every call: a look costs next to nothing here. */
  const near = () => {
    tell();
    return own.nearDeath.map(({ environment }) => environment);
  };
  const get = async (life?: number) => {
    if (life !== undefined) setup.issuer.lifeMs = life;
    const got = setup.broker.get(aKey(), 0);
    await setup.clock.advance(100);
    await got;
    setup.broker.find(aKey(), 0);
  };
  return { ...setup, own, tell, near, get };
}

it('knows what it leads, while it does', async () => {
  const { clock, broker, own, tell } = setUp();
  let heard = 0;
  own.onLead = () => (heard += 1);
  const got = broker.get(aKey(), 0);
  await clock.advance(50);
  tell();
  expect(own.leading).toEqual([{ client: 'acme', merchantVat: 'DK12345678' }]);
  expect(heard).toBe(1);
  await clock.advance(50);
  await got;
  tell();
  expect(own.leading).toEqual([]);
  expect(own.count).toBe(1);
});

it('sees a token near its death that is in use and cannot be renewed', async () => {
  const { clock, issuer, near, get } = setUp();
  await get(3_700_000);
  expect(near()).toEqual([]);
  issuer.failWith(new IssuerError('upstream_unavailable', 'answered 503'));
  await clock.advance(3_500_000);
  expect(near()).toEqual([]);
  await clock.advance(100_000);
  expect(near()).toEqual(['sandbox']);
});

it('does not take a short life for a sudden death', async () => {
  const { clock, near, get } = setUp();
  await get(150_000);
  await clock.advance(60_000);
  expect(near()).toEqual([]);
});
