import { Logger, Module } from '@nestjs/common';

import { RedisVaultStore } from '#redis';
import { DirectoryVaultStore, FileVaultStore, Sealer, Vault, VAULT_PURPOSE, VaultError, type VaultStore } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import { RedisModule } from '../redis/redis.module.js';
import { SharedRedis } from '../redis/shared-redis.js';
import { systemClock } from '../config/system-clock.js';
import { UpstreamModule } from '../upstream/upstream.module.js';
import { ClientsController } from './clients.controller.js';
import { ImportController } from './import.controller.js';
import { VaultController } from './vault.controller.js';
import { VaultFollower } from './vault-follower.js';

/** The vault's own Redis if it has one, else that of the tokens. */
const VAULT_REDIS = Symbol('VAULT_REDIS');

@Module({
  imports: [RedisModule, UpstreamModule],
  // The import first: "import" is no client's name on that path.
  controllers: [ImportController, ClientsController, VaultController],
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
      useFactory: async (config: BrokerConfig, redis?: SharedRedis) =>
        Vault.open(await storeOf(config, redis), config.vaultKeys, Date.now),
    },
  ],
  exports: [Vault],
})
export class VaultModule {}

async function storeOf(
  { vaultStore, vaultPath, vaultKeys }: BrokerConfig,
  redis: SharedRedis | undefined,
): Promise<VaultStore> {
  switch (vaultStore) {
    case 'file':
      return new FileVaultStore(vaultPath);
    case 'directory':
      return new DirectoryVaultStore(vaultPath, new Sealer(vaultKeys), VAULT_PURPOSE);
    case 'redis': {
      // The settings have been checked against that.
      if (!redis) throw new VaultError('unreadable', 'the vault in Redis has no Redis');
      const log = new Logger('vault');
      const store = new RedisVaultStore(redis.link, (warning) => log.warn({ event: `vault_${warning}` }));
      await store.check();
      return store;
    }
    default:
      return vaultStore satisfies never;
  }
}
