import { Injectable } from '@nestjs/common';
import { TokenBucket } from 'limiter';
import { LRUCache } from 'lru-cache';

import { Problem } from '../http/problem.js';

/** How often an address may be wrong in a minute. */
const FAILURES = 10;
/** Addresses kept; of more, those that tried least lately are forgiven. */
const MOST_ADDRESSES = 10_000;

/** Holds back whoever guesses keys at the sign-in, by address, on this replica. */
@Injectable()
export class SignInLimit {
  readonly #ofAddress = new LRUCache<string, TokenBucket>({ max: MOST_ADDRESSES });

  /** Counts a try as a failure, until it is forgiven: many at once are no way around.
   *  @throws Problem `rate_limited` */
  take(address: string): void {
    let bucket = this.#ofAddress.get(address);
    if (!bucket) {
      bucket = new TokenBucket({ bucketSize: FAILURES, tokensPerInterval: FAILURES, interval: 'minute' });
      bucket.content = FAILURES;
      this.#ofAddress.set(address, bucket);
    }
    if (bucket.tryRemoveTokens(1)) return;
    const detail = `only ${FAILURES} wrong keys a minute are looked at from one address`;
    throw new Problem('rate_limited', detail, { retryAfterMs: bucket.getWaitTime(1) });
  }

  /** The try was no failure. */
  forgive(address: string): void {
    const bucket = this.#ofAddress.get(address);
    if (bucket) bucket.content = Math.min(FAILURES, bucket.content + 1);
  }
}
