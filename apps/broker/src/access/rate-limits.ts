import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { TokenBucket } from 'limiter';

import type { TokenSubject } from '#token';

import { BrokerConfig, type LimitsConfig } from '../config/broker-config.js';
import type { Caller } from '../http/caller.js';
import { Problem } from '../http/problem.js';

/** Buckets kept, and once more as many that were used before those; of more, the oldest are full again at once. */
const MOST_BUCKETS = 100_000;
/** In which a bucket that nobody takes from is full again, and need not be kept, in ms. */
const FULL_AGAIN_MS = 60_000;
/** How many requests of a caller may pass between two looks at the clock: that is how far its burst may be off. */
const UNTIMED = 64;

/** When the one token was taken that is missing in a bucket, in whole ms: up to 2^31, for the first 24 days, it takes no
 *  memory of its own, where a bucket takes 130 bytes. Few keys are asked for twice before it would be full again. */
type TakenOnce = number;

/** What a caller may ask for in a minute, on this replica: token buckets, full at first. */
@Injectable()
export class RateLimits implements OnModuleDestroy {
  #limits: LimitsConfig;
  readonly #ofCaller = new Map<string, { readonly bucket: TokenBucket; untimed: number }>();
  readonly #timer = setInterval(() => this.forgetIdle(), FULL_AGAIN_MS).unref();
  /** By caller, client and merchant: those used since the timer struck last, and those used before. */
  #ofKey = new Map<string, TokenBucket | TakenOnce>();
  #ofKeyBefore = new Map<string, TokenBucket | TakenOnce>();

  constructor({ limits }: BrokerConfig) {
    this.#limits = limits;
  }

  /** For every request. On the hot path: it looks at the clock now and then.
   *  @throws Problem `rate_limited` */
  take({ name }: Caller): void {
    let held = this.#ofCaller.get(name);
    if (!held) {
      if (this.#ofCaller.size >= MOST_BUCKETS) this.#ofCaller.clear();
      held = { bucket: fullBucket(this.#limits.perCaller), untimed: 0 };
      this.#ofCaller.set(name, held);
    }
    const { bucket } = held;
    if (held.untimed < UNTIMED && bucket.content > UNTIMED) {
      held.untimed += 1;
      bucket.content -= 1;
    } else {
      held.untimed = 0;
      takeFrom(bucket);
    }
  }

  /** Whether `take` would let a request pass. On the hot path. */
  hasRoom({ name }: Caller): boolean {
    const bucket = this.#ofCaller.get(name)?.bucket;
    if (bucket && bucket.content < 1) bucket.drip();
    return !bucket || bucket.content >= 1;
  }

  /** For a request whose answer is not in memory. Whatever scope it asks for: that is free to choose.
   *  @throws Problem `rate_limited` */
  takeForKey({ name }: Caller, { client, merchantVat = '' }: Pick<TokenSubject, 'client' | 'merchantVat'>): void {
    const id = `${name} ${client} ${merchantVat}`;
    const known = this.#ofKey.get(id) ?? this.#ofKeyBefore.get(id);
    if (this.#ofKey.size >= MOST_BUCKETS && !this.#ofKey.has(id)) this.forgetIdle();
    if (known === undefined) {
      this.#ofKey.set(id, Math.floor(performance.now()));
      return;
    }
    const bucket = bucketOf(known, this.#limits.perKey);
    this.#ofKey.set(id, bucket);
    takeFrom(bucket);
  }

  /** Counts by other limits from now on. What has been taken stays taken, and a bucket fills up at the new pace. */
  adopt(limits: LimitsConfig): void {
    const before = this.#limits;
    this.#limits = limits;
    for (const { bucket } of this.#ofCaller.values()) resize(bucket, limits.perCaller);
    for (const buckets of [this.#ofKey, this.#ofKeyBefore]) {
      for (const [id, known] of buckets) {
        const bucket = bucketOf(known, before.perKey);
        resize(bucket, limits.perKey);
        buckets.set(id, bucket);
      }
    }
  }

  /** Drops the buckets that nobody has taken from since the last time. */
  forgetIdle(): void {
    this.#ofKeyBefore = this.#ofKey;
    this.#ofKey = new Map();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }
}

function fullBucket(perMinute: number): TokenBucket {
  const bucket = new TokenBucket({ bucketSize: perMinute, tokensPerInterval: perMinute, interval: 'minute' });
  bucket.content = perMinute;
  return bucket;
}

function bucketOf(known: TokenBucket | TakenOnce, perMinute: number): TokenBucket {
  if (typeof known !== 'number') return known;
  const bucket = fullBucket(perMinute);
  bucket.content -= 1;
  bucket.lastDrip = known;
  return bucket;
}

function resize(bucket: TokenBucket, perMinute: number): void {
  // At the old pace until now.
  bucket.drip();
  bucket.bucketSize = perMinute;
  bucket.tokensPerInterval = perMinute;
  bucket.content = Math.min(bucket.content, perMinute);
}

function takeFrom(bucket: TokenBucket): void {
  if (bucket.tryRemoveTokens(1)) return;
  const detail = `the caller may send ${bucket.bucketSize} such requests a minute`;
  throw new Problem('rate_limited', detail, { retryAfterMs: bucket.getWaitTime(1) });
}
