import type { IssuerError } from './errors.js';

/** Every timing of the core. Durations in ms. Defaults from the measured prototype. */
export interface TokenPolicy {
  /** Share of a token's life after which it is renewed ahead. 0 to 1, default 0.75. */
  readonly refreshAt: number;
  /** A token is renewed up to this much earlier, at random, so that replicas and keys spread out. Default 120,000.
   *  Never more than a tenth of the token's life, or short-lived tokens would be renewed at once. */
  readonly refreshJitterMs: number;
  /** A token with less life than this is never given out. Default 60,000. */
  readonly safetyMarginMs: number;
  /** Least time between two refreshes of a key, for callers who ask for more life than the token has. Default 60,000. */
  readonly minRefreshIntervalMs: number;
  /** Least time between two invalidations of a key that are believed. Default 30,000. */
  readonly forcedRefreshIntervalMs: number;
  /** How long a lease lives without renewal while somebody waits, and how often it is renewed. Default 8000, 2500. */
  readonly leaseMs: number;
  readonly leaseRenewMs: number;
  /** The same for a renewal ahead of expiry, which nobody waits for. Default 20,000, 5000. */
  readonly refreshLeaseMs: number;
  readonly refreshLeaseRenewMs: number;
  /** After this long a leader gives up, however often it renewed its lease. Default 30,000. */
  readonly longestHoldMs: number;
  /** How long a caller waits for a token. Default 10,000. */
  readonly waitBudgetMs: number;
  /** How long an outage of the shared store is waited out before a replica goes to the upstream alone, once per
   *  outage. Default 3500: longer than a failover takes. */
  readonly storeGraceMs: number;
}

export const defaultPolicy: TokenPolicy = {
  refreshAt: 0.75,
  refreshJitterMs: 120_000,
  safetyMarginMs: 60_000,
  minRefreshIntervalMs: 60_000,
  forcedRefreshIntervalMs: 30_000,
  leaseMs: 8_000,
  leaseRenewMs: 2_500,
  refreshLeaseMs: 20_000,
  refreshLeaseRenewMs: 5_000,
  longestHoldMs: 30_000,
  waitBudgetMs: 10_000,
  storeGraceMs: 3_500,
};

/** A grant that took longer than its lease less this much is asked for anew: there is no time left to use it. */
export const LEASE_RESERVE_MS = 1_500;

/** While the shared store is away, a token with more life than this is not renewed ahead, in ms. */
export const SPARE_LIFE_MS = 120_000;

/** After the shared store came back, a cold key waits this long for whoever still holds its token to say so, in ms.
 *  Longer than the pause between two probes: replicas do not notice all at once. */
export const HOLD_OFF_MS = 800;

/** Calls to the upstream at once, per client, by all replicas together. */
export const MOST_CALLS_PER_CLIENT = 5;

/** After so many transport failures in a row nobody calls a token endpoint; then one may probe. Times in ms. */
export const BREAKER = { failures: 5, firstMs: 30_000, maxMs: 300_000 } as const;

/** How often a waiter asks again when no message wakes it, in ms; ± 20 %. */
export const BUSY_POLL_MS = 300;

/** How long a failure is shared: `firstMs`, doubling with each failure in a row up to `maxMs`, times `stretch`. */
export interface Cooling {
  readonly firstMs: number;
  readonly maxMs: number;
  /** Jitter, 0.8 to 1, chosen by the replica that failed. */
  readonly stretch: number;
}

/** What is made of `Retry-After`: "0" would let every caller call again at once. */
const RETRY_AFTER_MS = { least: 1_000, most: 3_600_000 };

/** @param random 0 inclusive to 1 exclusive */
export function coolingOf(error: IssuerError, random: number): Cooling {
  if (error.retryAfterMs !== undefined) {
    const waitMs = Math.min(Math.max(error.retryAfterMs, RETRY_AFTER_MS.least), RETRY_AFTER_MS.most);
    return { firstMs: waitMs, maxMs: waitMs, stretch: 1 };
  }
  switch (error.code) {
    case 'credentials_rejected':
    case 'merchant_rejected':
    case 'scope_rejected':
      return { firstMs: 30_000, maxMs: 900_000, stretch: 1 };
    case 'upstream_invalid':
    case 'upstream_unavailable':
      return { firstMs: 1_000, maxMs: 30_000, stretch: 0.8 + 0.2 * random };
    default:
      return error.code satisfies never;
  }
}

export function coolingMs(cooling: Cooling, failuresInARow: number): number {
  return Math.min(cooling.firstMs * 2 ** (failuresInARow - 1), cooling.maxMs) * cooling.stretch;
}

/** How long after its start a token of `lifeMs` is renewed ahead, in ms.
 *  @param random 0 inclusive to 1 exclusive */
export function refreshAfterMs(policy: TokenPolicy, lifeMs: number, random: number): number {
  return policy.refreshAt * lifeMs - random * Math.min(policy.refreshJitterMs, lifeMs / 10);
}
