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

/** What set a refresh off, such as a request. Handed on to the issuer, and told with each event; means nothing here. */
export interface Origin {
  /** By which it is found in the log. */
  readonly correlationId: string;
}

/** Gets a token from the upstream. Looks the credential up itself: the core never sees one. */
export interface TokenIssuer {
  /** One attempt series. Once `signal` is aborted, no further attempt is made; the one under way may finish.
   *  @throws IssuerError the upstream refused or failed; `code` says which */
  issue(subject: TokenSubject, signal: AbortSignal, origin?: Origin): Promise<IssuedToken>;
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
  /** Unique to one attempt, so that nobody drops a lease that is not his: `replica/unique part`. */
  readonly owner: string;
  readonly generation: number;
  /** When it was granted, on the store's own clock, in ms. */
  readonly grantedAtMs: number;
  /** Taken in this process alone, because the shared store was away: others may call the upstream as well.
   *  When, on the replica's clock, in ms. */
  readonly alone?: { readonly grantedAtMs: number };
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
  /** How long the asker can do without, in ms: 0 if somebody waits. */
  readonly spareMs: number;
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

/** `kept`: a token at least as new is stored; `invalidated`: this token was dropped, and must not be used. */
export type SeedOutcome = 'seeded' | 'kept' | 'invalidated';

/** `too_soon`: another invalidation was believed less than the given interval ago; the token stays. */
export type InvalidateOutcome = 'invalidated' | 'not_current' | 'too_soon';

/** What a store tells all replicas. Never a token. */
export interface StoreMessage {
  readonly kind: 'token' | 'failed' | 'invalidated';
  /** A key's id. */
  readonly id: string;
  readonly generation: number;
}

/** `back`: the store was away, and may have lost its data. `stale`: messages were lost, or the store's clock was set.
 *  Either way, what is in memory may be news to the store, or out of date. */
export type StoreNews = StoreMessage | { readonly kind: 'back' } | { readonly kind: 'stale' };

/** What a store knows of one key. Never the token itself. */
export interface KeyReport {
  readonly subject: TokenSubject;
  readonly token: TokenReport | undefined;
  readonly lease: { readonly owner: string; readonly generation: number; readonly remainingMs: number } | undefined;
  readonly failure: (SharedFailure & { readonly inARow: number }) | undefined;
}

export interface TokenReport {
  readonly tokenId: string;
  readonly generation: number;
  readonly lifeMs: number;
  readonly remainingMs: number;
  /** Owner of the lease under which it was got; absent for a token that was put back from memory. */
  readonly refreshedBy: string | undefined;
}

/** What stands between a key and the upstream, besides the key's own state. */
export interface UpstreamReport {
  /** A failure of the client or its credentials that still cools. */
  readonly heldBack: SharedFailure | undefined;
  /** Calls of the client under way. */
  readonly calls: number;
  readonly breaker: {
    readonly state: 'closed' | 'open' | 'half_open';
    readonly failures: number;
    readonly remainingMs: number;
  };
}

export interface ReportQuery {
  /** Where the page before ended; absent for the first one. */
  readonly after?: string | undefined;
  /** Only of this client. */
  readonly client?: string | undefined;
  /** How many at most, from 1. */
  readonly limit: number;
}

export interface ReportPage {
  readonly items: readonly KeyReport[];
  /** Absent on the last page. */
  readonly next: string | undefined;
}

/**
 * Tokens, leases and failures, shared by every replica. Each call is atomic for its key.
 * The store's clock is the only shared one. Every call may throw StoreAwayError.
 */
export interface TokenStore {
  /** Newer token with enough life: `hit`. Failure of the key still cooling: `failed`. Somebody else's lease runs:
   *  `busy`. Failure of its credentials or client still cooling, or the endpoint's breaker open: `failed`. The client's
   *  calls at once used up: `busy`. Else the lease is taken: `lead`. The owner of a lease gets it again. */
  acquire(key: TokenKey, request: AcquireRequest): Promise<AcquireOutcome>;
  /** Extends the own lease, or takes it again if it is gone. */
  renew(lease: Lease, leaseMs: number): Promise<RenewOutcome>;
  /** Stores the token unless a newer one is there, clears failures, drops the own lease, tells everybody. Once more
   *  with the same lease changes nothing. Life is counted from the lease's grant, so a pause before the commit cannot
   *  make it longer. */
  commit(lease: Lease, issued: IssuedToken): Promise<CommitOutcome>;
  /** Stores the failure, drops the lease, tells everybody. Undefined if the lease is not the owner's any more. */
  fail(lease: Lease, report: FailureReport): Promise<SharedFailure | undefined>;
  /** Drops the own lease, tells everybody: its holder will not use it. */
  release(lease: Lease): Promise<void>;
  /** The store's clock, in ms. */
  now(): Promise<number>;
  /** Puts a token from memory back after the store lost its data, unless one at least as new is there.
   *  @param asOfMs when the token had the life it says, on the store's clock: a command may wait long in a hung store */
  seed(key: TokenKey, token: StoredToken, asOfMs: number): Promise<SeedOutcome>;
  /** Drops the token if it is still of that generation, tells everybody. Believed once per `intervalMs`. */
  invalidate(key: TokenKey, generation: number, intervalMs: number): Promise<InvalidateOutcome>;
  /** The token as it is stored, if it still lives. Takes no lease. */
  find(key: TokenKey): Promise<StoredToken | undefined>;
  /** What is known of one key. */
  inspect(key: TokenKey): Promise<KeyReport>;
  /** What a refresh of the key would meet on its way to the upstream. */
  inspectUpstream(key: TokenKey): Promise<UpstreamReport>;
  /** What is known of all keys, by client and merchant, a page at a time. */
  list(query: ReportQuery): Promise<ReportPage>;
  /** Calls `listener` for all news until the function returned is called. */
  subscribe(listener: (news: StoreNews) => void): () => void;
}
