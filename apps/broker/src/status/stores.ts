import { Inject, Injectable, Optional } from '@nestjs/common';

import type { StoreStatus, VaultStatus } from '#cluster';
import type { RedisLink } from '#redis';
import { bySuitability, type ClientRecord, Vault } from '#vault';

import { BrokerConfig, type RedisConfig } from '../config/broker-config.js';
import { systemClock } from '../config/system-clock.js';
import { SharedRedis } from '../redis/shared-redis.js';
import { VaultFollower } from '../vault/vault-follower.js';
import { VAULT_LINK } from '../vault/vault.module.js';
import type { OldSecretInUse } from './needs.js';

/** Where tokens and the vault are kept, as this replica finds them. */
@Injectable()
export class Stores {
  constructor(
    private readonly config: BrokerConfig,
    private readonly vault: Vault,
    private readonly follower: VaultFollower,
    @Optional() @Inject(SharedRedis) private readonly shared: SharedRedis | undefined,
    @Optional() @Inject(VAULT_LINK) private readonly vaultLink: RedisLink | undefined,
  ) {}

  /** @param latencyMs of the tokens' store, if somebody knows */
  states(latencyMs: number | null): StoreStatus[] {
    const { redis, vaultRedis, vaultStore } = this.config;
    const vaultKind = vaultStore === 'redis' ? kindOf(vaultRedis ?? redis) : vaultStore;
    return [
      { holds: 'tokens', kind: kindOf(redis), ...stateOf(this.shared?.link), latency_ms: latencyMs },
      { holds: 'vault', kind: vaultKind, ...stateOf(this.vaultLink), latency_ms: null },
    ];
  }

  get vaultState(): VaultStatus {
    const { clients, callers, locked, newer } = this.vault;
    return {
      clients: clients.length,
      callers: callers.length,
      locked: locked.size,
      newer: newer.size,
      age_seconds: Math.floor(this.follower.ageMs / 1_000),
    };
  }

  get oldSecrets(): OldSecretInUse[] {
    return this.vault.clients.flatMap((client) => oldSecretOf(client) ?? []);
  }
}

function kindOf(redis: RedisConfig | undefined): StoreStatus['kind'] {
  if (!redis) return 'memory';
  const { kind } = redis.connection.at;
  return kind === 'single' ? 'redis' : kind;
}

function stateOf(link: RedisLink | undefined): Pick<StoreStatus, 'up' | 'reason' | 'away_seconds'> {
  const [outage] = link?.outages ?? [];
  if (!outage) return { up: true };
  const away_seconds = Math.floor((systemClock.now() - outage.sinceMs) / 1_000);
  return { up: false, reason: outage.reason, away_seconds };
}

/** @returns undefined if the client has one secret, or uses the newest */
function oldSecretOf({ name, environment, enabled, secrets }: ClientRecord): OldSecretInUse | undefined {
  const [newest] = secrets;
  const [inUse] = bySuitability(secrets);
  if (!enabled || !newest || newest === inUse) return undefined;
  return {
    client: name,
    environment,
    newerForMs: Date.now() - Date.parse(newest.addedAt),
    isNewerRefused: newest.rejectedAt !== undefined,
  };
}
