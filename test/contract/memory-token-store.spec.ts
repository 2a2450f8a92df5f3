import { MemoryTokenStore } from '#token';

import { FakeClock } from '../support/fake-clock.js';
import { aKey, issued } from '../support/tokens.js';
import { describeTokenStore } from './token-store.js';

describeTokenStore('memory token store', async () => {
  const clock = new FakeClock();
  return { store: new MemoryTokenStore(clock), passMs: (ms) => clock.advance(ms), toleranceMs: 0 };
});

it('forgets what has run out, and nothing else, however many keys come and go', async () => {
  const clock = new FakeClock();
  const store = new MemoryTokenStore(clock);
  const kept = aKey({ client: 'kept' });
  const request = { owner: 'one', leaseMs: 1_000, haveGeneration: 0, minRemainingMs: 0, spareMs: 0 };
  const outcome = await store.acquire(kept, request);
  if (outcome.kind !== 'lead') throw new Error(outcome.kind);
  await store.commit(outcome.lease, issued('kept', 3_600_000));
  for (let i = 0; i < 5_000; i += 1) {
    await store.acquire(aKey({ client: `gone-${i}` }), request);
    clock.freeze(100);
  }
  expect(store.size).toBeLessThan(1_100);
  expect((await store.find(kept))?.token.reveal()).toBe('kept');
});
