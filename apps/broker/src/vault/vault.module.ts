import { Module } from '@nestjs/common';

import { RedisVaultStore } from '#redis';
import { FileVaultStore, Vault, VaultError, type VaultStore } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import { RedisModule } from '../redis/redis.module.js';
import { SharedRedis } from '../redis/shared-redis.js';
import { systemClock } from '../config/system-clock.js';
import { ClientsController } from './clients.controller.js';
import { VaultFollower } from './vault-follower.js';

/** The vault's own Redis if it has one, else that of the tokens. */
const VAULT_REDIS = Symbol('VAULT_REDIS');

@Module({
  imports: [RedisModule],
  controllers: [ClientsController],
  providers: [
    VaultFollower,
    {
      provide: VAULT_REDIS,
      inject: [BrokerConfig, { token: SharedRedis, optional: true }],
      useFactory: ({ vaultRedis }: BrokerConfig, shared?: SharedRedis) =>
        vaultRedis ? SharedRedis.connect(vaultRedis, systemClock) : shared,
    },
    {
      provide: Vault,
      inject: [BrokerConfig, { token: VAULT_REDIS, optional: true }],
      useFactory: (config: BrokerConfig, redis?: SharedRedis) =>
        Vault.open(storeOf(config, redis), config.vaultKeys, Date.now),
    },
  ],
  exports: [Vault],
})
export class VaultModule {}

function storeOf({ vaultStore, vaultPath }: BrokerConfig, redis: SharedRedis | undefined): VaultStore {
  switch (vaultStore) {
    case 'file':
      return new FileVaultStore(vaultPath);
    case 'redis':
      // The settings have been checked against that.
      if (!redis) throw new VaultError('unreadable', 'the vault in Redis has no Redis');
      return new RedisVaultStore(redis.link);
    default:
      return vaultStore satisfies never;
  }
}
