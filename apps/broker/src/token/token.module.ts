import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { rootCertificates } from 'node:tls';

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

/** Connections kept open to the upstream, per host. */
const KEEP_ALIVE = { keepAlive: true, maxSockets: 64, scheduling: 'lifo' } as const;

@Module({
  imports: [
    VaultModule,
    HttpModule.registerAsync({
      inject: [BrokerConfig],
      useFactory: ({ upstream: { ca } }: BrokerConfig) => ({
        httpAgent: new HttpAgent(KEEP_ALIVE),
        httpsAgent: new HttpsAgent({
          ...KEEP_ALIVE,
          minVersion: 'TLSv1.2',
          ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
        }),
      }),
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
