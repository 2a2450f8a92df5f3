import { Injectable } from '@nestjs/common';

import type { ReplicaReport } from '#cluster';
import { KEY_STATES, type Overview, TokenBroker, type TokenEvent } from '#token';

import { BrokerConfig } from '../config/broker-config.js';
import { systemClock } from '../config/system-clock.js';
import { TokenEvents } from '../token/token-events.js';

const MOST_TOLD = 20;

interface Led {
  readonly client: string;
  readonly merchantVat: string | undefined;
  readonly atMs: number;
}

/** What this replica does with the keys that it holds. */
@Injectable()
export class OwnKeys {
  readonly #leading = new Map<string, Led>();
  /** Of the tokens that came last, by environment. */
  readonly #lifeMs = new Map<string, number>();
  readonly #nearDeathSinceMs = new Map<string, number>();
  /** Hears when this replica begins to lead a refresh that somebody waits for. */
  onLead: () => void = () => {};

  constructor(
    events: TokenEvents,
    private readonly broker: TokenBroker,
    private readonly config: BrokerConfig,
  ) {
    events.subscribe((event) => this.#note(event));
  }

  /** By state. */
  get states(): Overview['states'] {
    return this.broker.overview().states;
  }

  get count(): number {
    const { states } = this.broker.overview();
    return KEY_STATES.reduce((sum, state) => sum + states[state], 0);
  }

  get leading(): ReplicaReport['leading'] {
    const oldestMs = systemClock.now() - this.config.policy.longestHoldMs;
    // Nobody leads for longer, and a lease that was lost may have gone without a word.
    for (const [id, { atMs }] of this.#leading) if (atMs < oldestMs) this.#leading.delete(id);
    return [...this.#leading.values()].slice(0, MOST_TOLD).map(({ client, merchantVat }) => ({ client, merchantVat }));
  }

  /** Environments in which a token in use should long have been renewed. */
  get nearDeath(): ReplicaReport['nearDeath'] {
    const { asOfMs, shortestLifeMs } = this.broker.overview();
    const near = [...shortestLifeMs].filter(([environment, lifeMs]) => lifeMs < this.#leastLifeMs(environment));
    for (const environment of this.#nearDeathSinceMs.keys()) {
      if (!near.some(([each]) => each === environment)) this.#nearDeathSinceMs.delete(environment);
    }
    return near.map(([environment]) => {
      const sinceMs = this.#nearDeathSinceMs.get(environment) ?? asOfMs;
      this.#nearDeathSinceMs.set(environment, sinceMs);
      // By the counts, which may be some seconds old: one alone says nothing of how long.
      return { environment, forMs: asOfMs - sinceMs };
    });
  }

  /** Twice the safety margin; of tokens that live for so short that they are renewed later than that, half of what they
   *  have left then. */
  #leastLifeMs(environment: string): number {
    const { safetyMarginMs, refreshAt } = this.config.policy;
    return Math.min(2 * safetyMarginMs, ((1 - refreshAt) * (this.#lifeMs.get(environment) ?? Infinity)) / 2);
  }

  #note(event: TokenEvent): void {
    switch (event.kind) {
      case 'lease': {
        if (event.outcome !== 'lead') break;
        const { client, merchantVat } = event.key.subject;
        this.#leading.set(event.key.id, { client, merchantVat, atMs: systemClock.now() });
        // Of renewals ahead there may be dozens a second: the next report tells of those.
        if (event.cause === 'demand') this.onLead();
        break;
      }
      case 'refreshed':
        this.#lifeMs.set(event.key.subject.environment, event.lifeMs);
        this.#leading.delete(event.key.id);
        break;
      case 'failed':
      case 'duplicate':
      case 'lease_lost':
        this.#leading.delete(event.key.id);
        break;
      case 'lease_unused':
      case 'invalidation':
      case 'fault':
        break;
      default:
        event satisfies never;
    }
  }
}
