import { Injectable } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';

import { ISSUER_ERROR_CODES, type TokenEvent } from '#token';

import { TokenEvents } from '../token/token-events.js';

/** In seconds, up to the longest that a leader tries. */
const DURATION_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30];
/** In seconds, up to the longest that a caller waits by default, and beyond. */
const WAIT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30];

/** How tokens are renewed. */
@Injectable()
export class RefreshMetrics {
  readonly #refreshes: Counter<'cause' | 'result'>;
  readonly #unleased: Counter;
  readonly #duplicates: Counter;
  readonly #leasesLost: Counter;
  readonly #durations: Histogram<'cause'>;
  readonly #waits: Histogram;

  constructor(registry: Registry, events: TokenEvents) {
    const registers = [registry];
    this.#refreshes = new Counter({
      name: 'token_broker_refreshes_total',
      help: 'Refreshes that this replica led, by cause (demand, ahead) and result (ok, or the code of the failure).',
      labelNames: ['cause', 'result'],
      registers,
    });
    this.#unleased = new Counter({
      name: 'token_broker_unleased_calls_total',
      help: 'Refreshes without a shared lease, because Redis was away: other replicas may have called as well.',
      registers,
    });
    this.#duplicates = new Counter({
      name: 'token_broker_duplicate_tokens_total',
      help: 'Tokens got although another replica had stored a newer one meanwhile.',
      registers,
    });
    this.#leasesLost = new Counter({
      name: 'token_broker_leases_lost_total',
      help: 'Leases that ran out, or came too late to be used.',
      registers,
    });
    this.#durations = new Histogram({
      name: 'token_broker_refresh_duration_seconds',
      help: 'Time from the lease to the stored token, or to the failure, of refreshes that this replica led, by cause.',
      labelNames: ['cause'],
      buckets: DURATION_BUCKETS,
      registers,
    });
    this.#waits = new Histogram({
      name: 'token_broker_lease_wait_seconds',
      help: 'Time that refreshes waited which found the lease with somebody else; what waits for nobody is not counted.',
      buckets: WAIT_BUCKETS,
      registers,
    });
    for (const cause of ['demand', 'ahead']) {
      for (const result of ['ok', ...ISSUER_ERROR_CODES]) this.#refreshes.inc({ cause, result }, 0);
      this.#durations.zero({ cause });
    }
    events.subscribe((event) => this.#count(event));
  }

  #count(event: TokenEvent): void {
    switch (event.kind) {
      case 'refreshed':
      case 'failed':
        this.#refreshes.inc({ cause: event.cause, result: event.kind === 'refreshed' ? 'ok' : event.code });
        this.#durations.observe({ cause: event.cause }, event.tookMs / 1_000);
        if (event.alone) this.#unleased.inc();
        break;
      case 'duplicate':
        this.#duplicates.inc();
        break;
      case 'lease_lost':
      case 'lease_unused':
        this.#leasesLost.inc();
        break;
      case 'lease':
        if (event.waited) this.#waits.observe(event.tookMs / 1_000);
        break;
      case 'invalidation':
      case 'fault':
        break;
      default:
        event satisfies never;
    }
  }
}
