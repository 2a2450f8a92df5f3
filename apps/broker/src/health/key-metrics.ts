import { Injectable } from '@nestjs/common';
import { Gauge, Registry } from 'prom-client';

import { KEY_STATES, TokenBroker } from '#token';

/** What this replica holds in memory. */
@Injectable()
export class KeyMetrics {
  constructor(registry: Registry, broker: TokenBroker) {
    const registers = [registry];
    const keys: Gauge<'state'> = new Gauge({
      name: 'token_broker_keys',
      help: 'Keys in the memory of this replica, by state.',
      labelNames: ['state'],
      registers,
      // Both at once: of the same count.
      collect: () => {
        const { states, shortestLifeMs } = broker.overview();
        for (const state of KEY_STATES) keys.set({ state }, states[state]);
        shortest.reset();
        for (const [environment, lifeMs] of shortestLifeMs) shortest.set({ environment }, lifeMs / 1_000);
      },
    });
    const shortest: Gauge<'environment'> = new Gauge({
      name: 'token_broker_shortest_token_life_seconds',
      help: 'Life left of the token that has the least, of those in use in the memory of this replica, by environment.',
      labelNames: ['environment'],
      registers,
    });
  }
}
