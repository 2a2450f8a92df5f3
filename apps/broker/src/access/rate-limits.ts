import { Injectable } from '@nestjs/common';
import { TokenBucket } from 'limiter';
import { LRUCache } from 'lru-cache';

import { BrokerConfig, type LimitsConfig } from '../config/broker-config.js';
import type { Caller } from '../http/caller.js';
import { Problem } from '../http/problem.js';

/** Buckets kept; of more, those that were used least lately are full again. */
const MOST_BUCKETS = 100_000;

/** What a caller may ask for in a minute, on this replica: token buckets, full at first. */
@Injectable()
export class RateLimits {
  readonly #limits: LimitsConfig;
  /** By name: those of the vault, and few. */
  readonly #ofCaller = new Map<string, TokenBucket>();
  readonly #ofKey = new LRUCache<string, TokenBucket>({ max: MOST_BUCKETS });

  constructor({ limits }: BrokerConfig) {
    this.#limits = limits;
  }

  /** For every request.
   *  @throws Problem `rate_limited` */
  take({ name }: Caller): void {
    takeFrom(this.#ofCaller, name, this.#limits.perCaller);
  }

  /** For a request whose answer is not in memory.
   *  @param keyId of the token that it asks for
   *  @throws Problem `rate_limited` */
  takeForKey({ name }: Caller, keyId: string): void {
    takeFrom(this.#ofKey, `${name} ${keyId}`, this.#limits.perKey);
  }
}

interface Buckets {
  get(id: string): TokenBucket | undefined;
  set(id: string, bucket: TokenBucket): unknown;
}

function takeFrom(buckets: Buckets, id: string, perMinute: number): void {
  let bucket = buckets.get(id);
  if (!bucket) {
    bucket = new TokenBucket({ bucketSize: perMinute, tokensPerInterval: perMinute, interval: 'minute' });
    bucket.content = perMinute;
    buckets.set(id, bucket);
  }
  // While there is enough in it, it need not be filled: that would cost a look at the clock on the hot path.
  if (bucket.content >= 1) bucket.content -= 1;
  else if (!bucket.tryRemoveTokens(1)) throw tooMany(bucket, perMinute);
}

function tooMany(bucket: TokenBucket, perMinute: number): Problem {
  const detail = `the caller may send ${perMinute} such requests a minute`;
  return new Problem('rate_limited', detail, { retryAfterMs: bucket.getWaitTime(1) });
}
