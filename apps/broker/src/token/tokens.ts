import { Injectable } from '@nestjs/common';

import { type HeldToken, TokenBroker, TokenError, type TokenKey } from '#token';
import { Vault } from '#vault';

import { RateLimits } from '../access/rate-limits.js';
import type { CallerRequest } from '../http/caller.js';
import { Problem } from '../http/problem.js';
import { originOf } from '../tracing/call-origin.js';
import { GivenTokens, type Taker } from './given-tokens.js';
import { type ServedFrom, ServedTokens } from './served-tokens.js';
import { tokenAttributes } from './spans.js';
import { TokenKeys } from './token-keys.js';

/** Gives tokens to callers who may have them, and sees that it is written down. */
@Injectable()
export class Tokens {
  constructor(
    private readonly broker: TokenBroker,
    private readonly limits: RateLimits,
    private readonly given: GivenTokens,
    private readonly served: ServedTokens,
    private readonly vault: Vault,
    private readonly keys: TokenKeys,
  ) {}

  /** At once if there is one in memory.
   *  @throws Problem `rate_limited`, and what `TokenBroker.get` throws */
  get(request: CallerRequest, key: TokenKey, minValidityMs: number): HeldToken | Promise<HeldToken> {
    const held = this.broker.find(key, minValidityMs);
    if (!held) return this.#refreshed(request, key, minValidityMs);
    this.note(request, key, held, 'memory');
    request.trace?.span.setAttributes(tokenAttributes(key, held, 'memory'));
    return held;
  }

  /** Writes down that a caller is given a token. On the hot path. */
  note(taker: Taker, key: TokenKey, held: HeldToken, from: ServedFrom): void {
    this.given.note(taker, key, held, from);
    this.served.count(key.subject.client, from);
  }

  async #refreshed(request: CallerRequest, key: TokenKey, minValidityMs: number): Promise<HeldToken> {
    // Whoever joins a refresh under way costs nobody anything.
    if (!this.broker.inspect(key).isRefreshing) this.limits.takeForKey(request.caller, key.subject);
    const { client } = key.subject;
    const held = await this.broker.get(key, minValidityMs, originOf(request)).catch((error: unknown) => {
      this.served.countFailure(client, error instanceof TokenError ? error.code : 'internal_error');
      throw error;
    });
    this.#judgeAgain(request, key);
    this.note(request, key, held, held.source);
    request.trace?.span.setAttributes(tokenAttributes(key, held, held.source));
    return held;
  }

  /** What was deleted, switched off or taken away while the caller waited counts already. */
  #judgeAgain({ caller: { name } }: CallerRequest, { subject }: TokenKey): void {
    const caller = this.vault.findCaller(name);
    if (!caller) throw new Problem('unauthenticated', 'the caller was deleted meanwhile');
    this.keys.find(caller, subject.client, subject.merchantVat, subject.scope);
  }
}
