import { Module, type OnApplicationShutdown } from '@nestjs/common';

import { RedisTokenStore } from '#redis';
import { FailoverTokenStore, MemoryTokenStore, TokenBroker, type TokenStore } from '#token';
import { Sealer, Vault } from '#vault';

import { AccessModule } from '../access/access.module.js';
import { BrokerConfig } from '../config/broker-config.js';
import { REPLICA_NAME } from '../config/replica-name.js';
import { Drain } from '../http/drain.js';
import { DrainModule } from '../http/drain.module.js';
import { RedisModule } from '../redis/redis.module.js';
import { SharedRedis } from '../redis/shared-redis.js';
import { systemClock } from '../config/system-clock.js';
import { originAhead } from '../tracing/call-origin.js';
import { isTraced } from '../tracing/tracer.js';
import { UpstreamModule } from '../upstream/upstream.module.js';
import { VaultModule } from '../vault/vault.module.js';
import { ClientTestController } from './client-test.controller.js';
import { GivenTokens } from './given-tokens.js';
import { HttpTokenIssuer } from './http-token-issuer.js';
import { logEvent } from './log-event.js';
import { OAuthController } from './oauth.controller.js';
import { QuickTokens } from './quick-tokens.js';
import { ServedTokens } from './served-tokens.js';
import { traceLease } from './spans.js';
import { StateController } from './state.controller.js';
import { TokenEvents } from './token-events.js';
import { TokenKeys } from './token-keys.js';
import { TOKEN_STORE, TokenState } from './token-state.js';
import { Tokens } from './tokens.js';
import { TokensController } from './tokens.controller.js';

/** The longest that a stop waits for refreshes under way, in ms. */
const LAST_REFRESHES_MS = 5_000;

@Module({
  imports: [AccessModule, DrainModule, RedisModule, VaultModule, UpstreamModule],
  controllers: [ClientTestController, StateController, TokensController, OAuthController],
  providers: [
    GivenTokens,
    HttpTokenIssuer,
    QuickTokens,
    ServedTokens,
    TokenEvents,
    TokenKeys,
    TokenState,
    Tokens,
    {
      provide: TOKEN_STORE,
      inject: [BrokerConfig, { token: SharedRedis, optional: true }],
      useFactory: storeFor,
    },
    {
      provide: TokenBroker,
      inject: [TOKEN_STORE, HttpTokenIssuer, BrokerConfig, TokenEvents],
      useFactory: (store: TokenStore, issuer: HttpTokenIssuer, { policy }: BrokerConfig, events: TokenEvents) =>
        new TokenBroker({
          store,
          issuer,
          policy,
          clock: systemClock,
          replica: REPLICA_NAME,
          random: Math.random,
          onEvent: events.emit,
          originAhead,
        }),
    },
  ],
  exports: [ServedTokens, TOKEN_STORE, TokenBroker, TokenEvents, TokenKeys, TokenState],
})
export class TokenModule implements OnApplicationShutdown {
  readonly #unsubscribe: () => void;

  constructor(
    vault: Vault,
    keys: TokenKeys,
    events: TokenEvents,
    private readonly broker: TokenBroker,
    private readonly drain: Drain,
  ) {
    events.subscribe(logEvent);
    if (isTraced()) events.subscribe(traceLease);
    this.#unsubscribe = vault.onChange(() => broker.forget((subject) => keys.isStale(subject)));
  }

  /** After the last request has been answered. */
  async onApplicationShutdown(): Promise<void> {
    this.#unsubscribe();
    await this.broker.close(Math.min(this.drain.leftMs, LAST_REFRESHES_MS));
  }
}

/** Shared by all replicas where there is Redis; else this replica is the only one. */
function storeFor({ vaultKeys, policy }: BrokerConfig, shared?: SharedRedis): TokenStore {
  if (!shared) return new MemoryTokenStore(systemClock);
  const redis = new RedisTokenStore(shared.link, shared.bus, new Sealer(vaultKeys), systemClock);
  return new FailoverTokenStore(redis, systemClock, policy.storeGraceMs);
}
