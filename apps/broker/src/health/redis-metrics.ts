import { Inject, Injectable, Optional } from '@nestjs/common';
import { Gauge, Histogram, Registry } from 'prom-client';

import type { RedisLink } from '#redis';

import { SharedRedis } from '../redis/shared-redis.js';
import { VAULT_LINK } from '../vault/vault.module.js';

/** In seconds, up to the limit of a command. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4];

/** How Redis answers. Absent is what there is no Redis for. */
@Injectable()
export class RedisMetrics {
  readonly #durations: Histogram<'holds'>;

  constructor(
    private readonly registry: Registry,
    @Optional() @Inject(SharedRedis) shared: SharedRedis | undefined,
    @Optional() @Inject(VAULT_LINK) vaultLink: RedisLink | undefined,
  ) {
    this.#durations = new Histogram({
      name: 'token_broker_redis_command_duration_seconds',
      help: 'Time of each command to Redis, answered or not, by what that Redis holds (tokens, vault).',
      labelNames: ['holds'],
      buckets: BUCKETS,
      registers: [registry],
    });
    this.#watch('token_broker_redis_up', 'tokens', 'tokens are shared in Redis', shared?.link);
    this.#watch('token_broker_vault_redis_up', 'vault', 'the vault is in Redis', vaultLink);
  }

  #watch(name: string, holds: 'tokens' | 'vault', what: string, link: RedisLink | undefined): void {
    if (!link) return;
    const up: Gauge = new Gauge({
      name,
      help: `If ${what}: 1 while it answers and takes writes, 0 while this replica works without.`,
      registers: [this.registry],
      collect: () => up.set(link.outages.length === 0 ? 1 : 0),
    });
    this.#durations.zero({ holds });
    link.onCommand((tookMs) => this.#durations.observe({ holds }, tookMs / 1_000));
  }
}
