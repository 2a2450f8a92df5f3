import { Inject, Logger, Module, type OnApplicationShutdown, Optional } from '@nestjs/common';

import { type RedisLink, RedisVaultStore } from '#redis';
import { DirectoryVaultStore, FileVaultStore, Sealer, Vault, VAULT_PURPOSE, VaultError, type VaultStore } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import { RedisModule } from '../redis/redis.module.js';
import { FIRST_CONNECT_MS, openLink } from '../redis/redis-link.js';
import { systemClock } from '../config/system-clock.js';
import { UpstreamModule } from '../upstream/upstream.module.js';
import { Acts } from './acts.js';
import { ClientsController } from './clients.controller.js';
import { ImportController } from './import.controller.js';
import { MasterKeys, VAULT_STORE } from './master-keys.js';
import { VaultController } from './vault.controller.js';
import { VaultFollower } from './vault-follower.js';

/** How long a start waits for the vault's Redis after the first try, and how often it looks, in ms. */
const VAULT_WITHIN_MS = 4_000;
const LOOK_EVERY_MS = 20;

/** The vault's own connection, if it is in Redis: what waits for a replica of Redis keeps no token waiting. */
export const VAULT_LINK = Symbol('VAULT_LINK');

@Module({
  imports: [RedisModule, UpstreamModule],
  // The import first: "import" is no client's name on that path.
  controllers: [ImportController, ClientsController, VaultController],
  providers: [
    Acts,
    MasterKeys,
    VaultFollower,
    { provide: VAULT_LINK, inject: [BrokerConfig], useFactory: linkFor },
    {
      provide: VAULT_STORE,
      inject: [BrokerConfig, { token: VAULT_LINK, optional: true }],
      useFactory: storeOf,
    },
    {
      provide: Vault,
      inject: [VAULT_STORE, BrokerConfig],
      useFactory: (store: VaultStore, { vaultKeys }: BrokerConfig) => Vault.open(store, vaultKeys, Date.now),
    },
  ],
  exports: [Acts, MasterKeys, Vault, VaultFollower, VAULT_LINK],
})
export class VaultModule implements OnApplicationShutdown {
  constructor(@Optional() @Inject(VAULT_LINK) private readonly link: RedisLink | undefined) {}

  async onApplicationShutdown(): Promise<void> {
    await this.link?.close();
  }
}

async function linkFor({ vaultStore, vaultRedis, redis }: BrokerConfig): Promise<RedisLink | undefined> {
  const config = vaultRedis ?? redis;
  if (vaultStore !== 'redis' || !config) return undefined;
  const link = openLink(config, 'vault', systemClock);
  await link.ready(FIRST_CONNECT_MS);
  // A busy machine, or a failover: nothing can be served without the vault, so it is worth waiting for.
  const giveUpAtMs = systemClock.now() + VAULT_WITHIN_MS;
  while (link.outages.length > 0 && systemClock.now() < giveUpAtMs) await link.pause(LOOK_EVERY_MS);
  return link;
}

async function storeOf({ vaultStore, vaultPath, vaultKeys }: BrokerConfig, link?: RedisLink): Promise<VaultStore> {
  switch (vaultStore) {
    case 'file':
      return new FileVaultStore(vaultPath);
    case 'directory':
      return new DirectoryVaultStore(vaultPath, new Sealer(vaultKeys), VAULT_PURPOSE);
    case 'redis': {
      // The settings have been checked against that.
      if (!link) throw new VaultError('unreadable', 'the vault in Redis has no Redis');
      const log = new Logger('vault');
      const store = new RedisVaultStore(link, (warning) => log.warn({ event: `vault_${warning}` }));
      await store.check();
      return store;
    }
    default:
      return vaultStore satisfies never;
  }
}
