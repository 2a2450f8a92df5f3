import { Inject, Injectable } from '@nestjs/common';

import { StoreAwayError, tokenKey, type TokenStore, type UpstreamReport } from '#token';
import { type Environment, ENVIRONMENTS, Vault } from '#vault';

import { systemClock } from '../config/system-clock.js';
import { TOKEN_STORE } from '../token/token-state.js';
import { Grants } from '../upstream/grants.js';

type Breaker = UpstreamReport['breaker'];
const CLOSED: Breaker = { state: 'closed', failures: 0, remainingMs: 0 };

/** Whether calls to MobilePay are let through, in each environment that has clients. */
@Injectable()
export class Breakers {
  readonly #known = new Map<Environment, { readonly breaker: Breaker; readonly atMs: number }>();

  constructor(
    @Inject(TOKEN_STORE) private readonly store: TokenStore,
    private readonly grants: Grants,
    private readonly vault: Vault,
  ) {}

  get environments(): Environment[] {
    const used = new Set(this.vault.clients.map(({ environment }) => environment));
    return ENVIRONMENTS.filter((environment) => used.has(environment));
  }

  /** As it was last read, and what time has made of it. */
  of(environment: Environment): Breaker {
    const { breaker, atMs } = this.#known.get(environment) ?? { breaker: CLOSED, atMs: 0 };
    if (breaker.state !== 'open') return breaker;
    const remainingMs = Math.max(0, breaker.remainingMs - (systemClock.now() - atMs));
    return { ...breaker, remainingMs, state: remainingMs > 0 ? 'open' : 'half_open' };
  }

  /** If the store is away, what was read before stands. */
  async read(): Promise<void> {
    await Promise.all(this.environments.map((environment) => this.#read(environment)));
  }

  async #read(environment: Environment): Promise<void> {
    // All keys of an environment meet the same breaker: no client has this name.
    const key = tokenKey({
      environment,
      tokenUrl: this.grants.urlOf(environment),
      client: '',
      credentialGeneration: 0,
    });
    try {
      const { breaker } = await this.store.inspectUpstream(key);
      this.#known.set(environment, { breaker, atMs: systemClock.now() });
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
    }
  }
}
