import { Inject, Injectable } from '@nestjs/common';

import {
  type KeyReport,
  type KeyState,
  keyLabel,
  StoreAwayError,
  TokenBroker,
  tokenKey,
  type TokenKey,
  type TokenStore,
  type UpstreamReport,
} from '#token';

import { BrokerConfig } from '../config/broker-config.js';
import { systemClock } from '../config/system-clock.js';
import { nextAnswer } from './next-answer.js';

export const TOKEN_STORE = Symbol('TOKEN_STORE');

export interface StateQuery {
  readonly client?: string | undefined;
  readonly merchantVat?: string | undefined;
  readonly state?: KeyState | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Keys read at once, and at the most, for one page: a rare state must not cost a walk through all of them. */
const CHUNK = 500;
const MOST_CHUNKS = 10;

/** What all replicas know of the keys, and what this one does. Never a token. */
@Injectable()
export class TokenState {
  constructor(
    @Inject(TOKEN_STORE) private readonly store: TokenStore,
    private readonly broker: TokenBroker,
    private readonly config: BrokerConfig,
  ) {}

  /** @returns a page, and where the next one begins, which may be after fewer than `limit` */
  async list(query: StateQuery): Promise<{ items: KeyReport[]; next: string | undefined }> {
    const { client, limit } = query;
    const isNarrow = query.state !== undefined || query.merchantVat !== undefined;
    const items: KeyReport[] = [];
    let { after } = query;
    for (let chunk = 0; chunk < MOST_CHUNKS; chunk += 1) {
      const page = await this.store.list({ client, after, limit: isNarrow ? CHUNK : limit });
      for (const report of page.items) {
        if (!this.#fits(report, query)) continue;
        items.push(report);
        if (items.length === limit) break;
      }
      const last = items.at(-1);
      if (items.length === limit && last) {
        const isEnd = page.next === undefined && page.items.at(-1) === last;
        return { items, next: isEnd ? undefined : keyLabel(tokenKey(last.subject)) };
      }
      after = page.next;
      if (after === undefined) break;
    }
    return { items, next: after };
  }

  /** One key, as this replica and all of them see it, and where the next answer would come from. */
  async explain(key: TokenKey) {
    const memory = this.broker.inspect(key);
    const shared = await this.#shared(key);
    const now = systemClock.now();
    const leftMs = memory.held === undefined ? undefined : memory.held.expiresAtMs - now;
    const facts = {
      heldMs: leftMs !== undefined && leftMs >= this.config.policy.safetyMarginMs ? leftMs : undefined,
      isExpiring: memory.held !== undefined && now >= memory.held.refreshAtMs,
      isRefreshing: memory.isRefreshing,
      failure: memory.failure,
      shared,
      safetyMarginMs: this.config.policy.safetyMarginMs,
    };
    return { memory, leftMs, shared, next: nextAnswer(facts) };
  }

  stateOf({ token, lease, failure }: KeyReport): KeyState {
    if (lease) return 'refreshing';
    if (failure) return 'failing';
    const { refreshAt, safetyMarginMs } = this.config.policy;
    if (!token || token.remainingMs < safetyMarginMs) return 'dead';
    return token.remainingMs > token.lifeMs * (1 - refreshAt) ? 'fresh' : 'expiring';
  }

  #fits(report: KeyReport, { state, merchantVat }: StateQuery): boolean {
    return (
      (merchantVat === undefined || report.subject.merchantVat === merchantVat) &&
      (state === undefined || this.stateOf(report) === state)
    );
  }

  /** @returns why there is nothing to tell, if the store is away */
  async #shared(key: TokenKey): Promise<{ key: KeyReport; upstream: UpstreamReport } | { away: string }> {
    try {
      const [ofKey, upstream] = await Promise.all([this.store.inspect(key), this.store.inspectUpstream(key)]);
      return { key: ofKey, upstream };
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
      return { away: error.reason };
    }
  }
}
