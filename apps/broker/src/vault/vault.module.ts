import { Module } from '@nestjs/common';

import { FileVaultStore, Vault } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import { ClientsController } from './clients.controller.js';

@Module({
  controllers: [ClientsController],
  providers: [
    {
      provide: Vault,
      inject: [BrokerConfig],
      useFactory: ({ vaultPath, vaultKeys }: BrokerConfig) =>
        Vault.open(new FileVaultStore(vaultPath), vaultKeys, Date.now),
    },
  ],
  exports: [Vault],
})
export class VaultModule {}
