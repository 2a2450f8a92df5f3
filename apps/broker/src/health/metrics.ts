import { Inject, Injectable, Optional } from '@nestjs/common';
import { Counter, Gauge, Registry } from 'prom-client';

import type { RedisLink } from '#redis';
import type { TokenEvent } from '#token';

import { AuditLog } from '../audit/audit-log.js';
import { SharedRedis } from '../redis/shared-redis.js';
import { TokenEvents } from '../token/token-events.js';
import { VAULT_LINK } from '../vault/vault.module.js';

/** What Prometheus reads. No label names a client, a merchant or a token. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly #refreshes = new Counter({
    name: 'token_broker_refreshes_total',
    help: 'Refreshes that this replica led, by cause (demand, ahead) and result (ok, or the code of the failure).',
    labelNames: ['cause', 'result'],
    registers: [this.registry],
  });
  readonly #unleased = new Counter({
    name: 'token_broker_unleased_calls_total',
    help: 'Refreshes without a shared lease, because Redis was away: other replicas may have called as well.',
    registers: [this.registry],
  });
  readonly #duplicates = new Counter({
    name: 'token_broker_duplicate_tokens_total',
    help: 'Tokens got although another replica had stored a newer one meanwhile.',
    registers: [this.registry],
  });
  readonly #leasesLost = new Counter({
    name: 'token_broker_leases_lost_total',
    help: 'Leases that ran out, or came too late to be used.',
    registers: [this.registry],
  });

  constructor(
    events: TokenEvents,
    audit: AuditLog,
    @Optional() @Inject(SharedRedis) shared: SharedRedis | undefined,
    @Optional() @Inject(VAULT_LINK) vaultLink: RedisLink | undefined,
  ) {
    events.subscribe((event) => this.#count(event));
    this.#read('token_broker_audit_lines_total', 'Lines written to the audit trail.', () => audit.written);
    this.#read(
      'token_broker_audit_lines_lost_total',
      'Lines of the audit trail that could not be written.',
      () => audit.lost,
    );
    this.#up('token_broker_redis_up', 'tokens are shared in Redis: 1 while it answers and takes writes', shared?.link);
    this.#up('token_broker_vault_redis_up', 'the vault is in Redis: 1 while it answers and takes writes', vaultLink);
  }

  /** Absent if there is no such Redis. */
  #up(name: string, when: string, link: RedisLink | undefined): void {
    if (!link) return;
    const up: Gauge = new Gauge({
      name,
      help: `If ${when}, 0 while this replica works without.`,
      registers: [this.registry],
      collect: () => up.set(link.outages.length === 0 ? 1 : 0),
    });
  }

  /** A counter that is kept elsewhere. */
  #read(name: string, help: string, value: () => number): void {
    const counter: Counter = new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        counter.reset();
        counter.inc(value());
      },
    });
  }

  #count(event: TokenEvent): void {
    switch (event.kind) {
      case 'refreshed':
      case 'failed':
        this.#refreshes.inc({ cause: event.cause, result: event.kind === 'refreshed' ? 'ok' : event.code });
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
      case 'invalidation':
      case 'fault':
        break;
      default:
        event satisfies never;
    }
  }
}
