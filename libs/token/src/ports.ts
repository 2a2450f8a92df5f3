import type { AccessToken } from './access-token.js';
import type { FailureScope, IssuerErrorCode } from './errors.js';
import type { TokenKey, TokenSubject } from './key.js';
import type { Cooling } from './policy.js';

/** A grant of the upstream. */
export interface IssuedToken {
  readonly token: AccessToken;
  /** How long the token lives from the moment it was asked for, in ms. */
  readonly lifeMs: number;
}

/** Gets a token from the upstream. Looks the credential up itself: the core never sees one. */
export interface TokenIssuer {
  /** One attempt series.
   *  @throws IssuerError the upstream refused or failed, or `signal` was aborted; `code` says which */
  issue(subject: TokenSubject, signal: AbortSignal): Promise<IssuedToken>;
}

/** A token as a store hands it out. Durations, not instants: replicas share no clock. */
export interface StoredToken extends IssuedToken {
  /** Grows with each token of a key. */
  readonly generation: number;
  /** Life left when the store answered, in ms. */
  readonly remainingMs: number;
}

/** The right to refresh one key. Its generation is the fence: an older one never overwrites a newer token. */
export interface Lease {
  readonly key: TokenKey;
  /** Unique to one attempt, so that nobody drops a lease that is not his. */
  readonly owner: string;
  readonly generation: number;
  /** When it was granted, on the store's own clock, in ms. */
  readonly grantedAtMs: number;
}

/** A failure as the leader reports it. */
export interface FailureReport {
  readonly code: IssuerErrorCode;
  readonly message: string;
  readonly scope: FailureScope;
  readonly cooling: Cooling;
}

/** A failure as everybody else sees it. */
export interface SharedFailure {
  readonly code: IssuerErrorCode;
  readonly message: string;
  readonly scope: FailureScope;
  /** How long nobody calls again, in ms from the store's answer. */
  readonly remainingMs: number;
}

export interface AcquireRequest {
  readonly owner: string;
  readonly leaseMs: number;
  /** Generation of the token already held, 0 for none: only a newer one is a hit. */
  readonly haveGeneration: number;
  /** Life that a hit must have, in ms. */
  readonly minRemainingMs: number;
}

export type AcquireOutcome =
  | { readonly kind: 'hit'; readonly token: StoredToken }
  | { readonly kind: 'failed'; readonly failure: SharedFailure }
  | { readonly kind: 'busy'; readonly remainingMs: number }
  | { readonly kind: 'lead'; readonly lease: Lease };

/** `superseded`: a token at least as new is stored already; `lost`: somebody else holds the lease. */
export type RenewOutcome = 'renewed' | 'lost' | 'superseded';

export type CommitOutcome =
  | { readonly kind: 'stored'; readonly token: StoredToken }
  /** A newer generation won. Its token is absent if it has been invalidated since. */
  | { readonly kind: 'superseded'; readonly token: StoredToken | undefined };

export type SeedOutcome = 'seeded' | 'kept';

/** `too_soon`: another invalidation was believed less than the given interval ago; the token stays. */
export type InvalidateOutcome = 'invalidated' | 'not_current' | 'too_soon';

/** What a store tells all replicas. Never a token. */
export interface StoreMessage {
  readonly kind: 'token' | 'failed' | 'invalidated';
  /** A key's id; for a failure of wider scope, that of its credentials or client. */
  readonly id: string;
  readonly generation: number;
}

/**
 * Tokens, leases and failures, shared by every replica. Each call is atomic for its key.
 * The store's clock is the only shared one.
 */
export interface TokenStore {
  /** Newer token with enough life: `hit`. Failure still cooling, of the key, its credentials or its client: `failed`.
   *  Somebody else's lease runs: `busy`. Else the lease is taken: `lead`. The owner of a lease gets it again. */
  acquire(key: TokenKey, request: AcquireRequest): Promise<AcquireOutcome>;
  /** Extends the own lease, or takes it again if it is gone. */
  renew(lease: Lease, leaseMs: number): Promise<RenewOutcome>;
  /** Stores the token unless one at least as new is there, clears failures, drops the own lease, tells everybody.
   *  Life is counted from the lease's grant, so a pause before the commit cannot make it longer. */
  commit(lease: Lease, issued: IssuedToken): Promise<CommitOutcome>;
  /** Stores the failure, drops the lease, tells everybody. Undefined if the lease is not the owner's any more. */
  fail(lease: Lease, report: FailureReport): Promise<SharedFailure | undefined>;
  /** Puts a token from memory back after the store lost its data, unless one at least as new is there. */
  seed(key: TokenKey, token: StoredToken): Promise<SeedOutcome>;
  /** Drops the token if it is still of that generation, tells everybody. Believed once per `intervalMs`. */
  invalidate(key: TokenKey, generation: number, intervalMs: number): Promise<InvalidateOutcome>;
  /** The token as it is stored, if it still lives. Takes no lease. */
  find(key: TokenKey): Promise<StoredToken | undefined>;
  /** Calls `listener` for every message until the function returned is called. */
  subscribe(listener: (message: StoreMessage) => void): () => void;
}
