import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

import { ISSUER_ERROR_CODES } from '#token';
import { ENVIRONMENTS } from '#vault';

import { UpstreamCalls } from '../upstream/upstream-calls.js';
import { UpstreamPart } from './upstream-part.js';

/** In seconds, up to the longest limit that can be set. */
const BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20];

/** How MobilePay answers. */
@Injectable()
export class UpstreamMetrics {
  constructor(registry: Registry, calls: UpstreamCalls, part: UpstreamPart) {
    const registers = [registry];
    const requests = new Counter({
      name: 'token_broker_upstream_requests_total',
      help: 'Attempts at a grant of MobilePay, by environment and result (ok, or the code of the failure).',
      labelNames: ['environment', 'result'] as const,
      registers,
    });
    const durations = new Histogram({
      name: 'token_broker_upstream_request_duration_seconds',
      help: 'Time of each attempt at a grant of MobilePay, by environment.',
      labelNames: ['environment'] as const,
      buckets: BUCKETS,
      registers,
    });
    const breakers: Gauge<'environment'> = new Gauge({
      name: 'token_broker_breaker_open',
      help: 'If nobody calls MobilePay, because it failed often: 1, or 0 while calls are made. By environment.',
      labelNames: ['environment'],
      registers,
      collect: () => {
        breakers.reset();
        for (const [environment, breaker] of part.breakers) {
          if (breaker) breakers.set({ environment }, breaker.state === 'closed' ? 0 : 1);
        }
      },
    });
    for (const environment of ENVIRONMENTS) {
      for (const result of ['ok', ...ISSUER_ERROR_CODES]) requests.inc({ environment, result }, 0);
      durations.zero({ environment });
    }
    calls.subscribe(({ environment = 'other', result, tookMs }) => {
      requests.inc({ environment, result });
      durations.observe({ environment }, tookMs / 1_000);
    });
  }
}
