import { Inject, Injectable, Optional } from '@nestjs/common';

import type { RedisLink } from '#redis';
import { Vault } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import { VAULT_LINK } from '../vault/vault.module.js';
import { VaultFollower } from '../vault/vault-follower.js';
import type { HealthPart, PartFacts } from './health-part.js';

/** How much the vault holds, what of it cannot be opened, and how old this replica's copy is. What is in memory is served,
 *  whatever becomes of the store. */
@Injectable()
export class VaultPart implements HealthPart {
  readonly name = 'vault';

  constructor(
    private readonly vault: Vault,
    private readonly follower: VaultFollower,
    private readonly config: BrokerConfig,
    @Optional() @Inject(VAULT_LINK) private readonly link: RedisLink | undefined,
  ) {}

  look(): PartFacts {
    const { clients, callers, locked, newer, outdated } = this.vault;
    const [outage] = this.link?.outages ?? [];
    const away = outage?.reason ?? this.follower.failure;
    const reason =
      away ??
      (locked.size > 0 ? 'no master key at hand opens some records' : undefined) ??
      (newer.size > 0 ? 'some records were written by a newer version' : undefined);
    return {
      ...(reason !== undefined && { reason }),
      store: this.config.vaultStore,
      store_up: away === undefined,
      clients: clients.length,
      callers: callers.length,
      locked: locked.size,
      newer: newer.size,
      outdated,
      age_seconds: Math.floor(this.follower.ageMs / 1_000),
    };
  }
}
