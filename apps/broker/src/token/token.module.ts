import { HttpModule } from '@nestjs/axios';
import { Module, type OnApplicationShutdown } from '@nestjs/common';

import { MemoryTokenStore, TokenBroker } from '#token';
import { Vault } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import { VaultModule } from '../vault/vault.module.js';
import { HttpTokenIssuer } from './http-token-issuer.js';
import { logEvent } from './log-event.js';
import { OAuthController } from './oauth.controller.js';
import { systemClock } from './system-clock.js';
import { TokenKeys } from './token-keys.js';
import { TokensController } from './tokens.controller.js';
import { upstreamAgents } from './upstream-agents.js';

@Module({
  imports: [
    VaultModule,
    HttpModule.registerAsync({
      inject: [BrokerConfig],
      useFactory: ({ upstream }: BrokerConfig) => upstreamAgents(upstream),
    }),
  ],
  controllers: [TokensController, OAuthController],
  providers: [
    HttpTokenIssuer,
    TokenKeys,
    {
      provide: TokenBroker,
      inject: [HttpTokenIssuer, BrokerConfig],
      useFactory: (issuer: HttpTokenIssuer, { policy }: BrokerConfig) =>
        new TokenBroker({
          store: new MemoryTokenStore(systemClock),
          issuer,
          policy,
          clock: systemClock,
          random: Math.random,
          onEvent: logEvent,
        }),
    },
  ],
  exports: [TokenBroker],
})
export class TokenModule implements OnApplicationShutdown {
  readonly #unsubscribe: () => void;

  constructor(
    vault: Vault,
    keys: TokenKeys,
    private readonly broker: TokenBroker,
  ) {
    this.#unsubscribe = vault.onChange(() => broker.forget((subject) => keys.isStale(subject)));
  }

  /** After the last request has been answered. */
  onApplicationShutdown(): void {
    this.#unsubscribe();
    this.broker.close();
  }
}
