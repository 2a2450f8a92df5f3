import { randomUUID } from 'node:crypto';

import { type Clock, within } from './clock.js';
import { IssuerError } from './errors.js';
import type { RefreshCause, TokenEvent } from './events.js';
import type { TokenSource } from './held-token.js';
import type { TokenKey } from './key.js';
import { BUSY_POLL_MS, coolingMs, coolingOf, LEASE_RESERVE_MS, type TokenPolicy } from './policy.js';
import type { IssuedToken, Lease, Origin, StoredToken, TokenIssuer, TokenStore } from './ports.js';

export interface RefresherParts {
  readonly store: TokenStore;
  readonly issuer: TokenIssuer;
  readonly policy: TokenPolicy;
  readonly clock: Clock;
  /** This replica's name among the others. */
  readonly replica: string;
  /** 0 inclusive to 1 exclusive; jitter only. */
  readonly random: () => number;
  readonly onEvent: (event: TokenEvent) => void;
  /** Makes the origin of a renewal ahead, which no caller set off. */
  readonly originAhead?: () => Origin;
}

export interface RefreshRequest {
  readonly cause: RefreshCause;
  /** Generation of the token already held, 0 for none. */
  readonly haveGeneration: number;
  /** Life that the token must have, in ms. */
  readonly minRemainingMs: number;
  /** How long the asker can do without, in ms: 0 if somebody waits. */
  readonly spareMs: number;
  readonly origin: Origin | undefined;
}

/** A token, and the instant on the replica's clock from which its remaining life counts. */
export interface ObtainedToken {
  readonly stored: StoredToken;
  readonly asOfMs: number;
  readonly source: TokenSource;
  /** Whether it was stored before anybody asked for it here. */
  readonly wasThere: boolean;
}

/**
 * The refresh of one key: take what another replica stored, wait for the one that leads, or lead.
 * The replica half of the protocol; the store is the other half.
 */
export class Refresher {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #leading = new Set<Lease>();

  constructor(private readonly parts: RefresherParts) {}

  /** @throws IssuerError    this leader's failure, or a shared one that still cools
   *  @throws StoreAwayError the store is away, and the asker can do without for now */
  async obtain(key: TokenKey, request: RefreshRequest): Promise<ObtainedToken> {
    const { store, policy, clock, replica, onEvent } = this.parts;
    const owner = `${replica}/${randomUUID()}`;
    const [leaseMs, renewMs] =
      request.cause === 'demand'
        ? [policy.leaseMs, policy.leaseRenewMs]
        : [policy.refreshLeaseMs, policy.refreshLeaseRenewMs];
    const { cause, origin } = request;
    let sinceMs = clock.now();
    let waited = false;
    let wasThere = true;
    const tell = (outcome: 'lead' | 'hit' | 'failed'): void => {
      onEvent({ kind: 'lease', key, cause, origin, outcome, tookMs: clock.now() - sinceMs, waited });
    };
    for (;;) {
      // Before the store is asked, or a message between its answer and our wait would be lost.
      const waiter = this.#wait(key.id);
      try {
        const askedAtMs = clock.now();
        const outcome = await store.acquire(key, { owner, leaseMs, ...request });
        switch (outcome.kind) {
          case 'hit':
            tell('hit');
            return { stored: outcome.token, asOfMs: askedAtMs, source: 'store', wasThere };
          case 'failed': {
            tell('failed');
            const { code, message, scope, remainingMs } = outcome.failure;
            throw new IssuerError(code, message, { scope, retryAfterMs: remainingMs });
          }
          case 'busy':
            waited = true;
            await waiter.until(Math.min(outcome.remainingMs, BUSY_POLL_MS * (0.8 + 0.4 * this.parts.random())));
            break;
          case 'lead': {
            if (clock.now() - askedAtMs > leaseMs - LEASE_RESERVE_MS) {
              onEvent({ kind: 'lease_unused', key });
              break;
            }
            tell('lead');
            const obtained = await this.#lead(outcome.lease, request, leaseMs, renewMs);
            if (obtained) return obtained;
            [sinceMs, waited] = [clock.now(), false];
            break;
          }
          default:
            return outcome satisfies never;
        }
        wasThere = false;
      } finally {
        waiter.end();
      }
    }
  }

  /** Somebody stored, failed or dropped something under this id: whoever waits for it looks again. */
  wake(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
  }

  /** The store was away, or messages were lost: everybody looks again, and leaders make sure of their leases. */
  wakeAll(): void {
    for (const waiting of this.#waiting.values()) for (const wake of waiting) wake();
    for (const lease of this.#leading) void this.#renew(lease, this.parts.policy.leaseMs);
  }

  /** Gives every lease back: this replica will not use it. */
  async releaseAll(): Promise<void> {
    const { store } = this.parts;
    await Promise.allSettled([...this.#leading].map((lease) => store.release(lease)));
  }

  /** Returns the token that is stored now; undefined if somebody else has to answer for it: he has the lease, or he won
   *  and his token is gone already. */
  async #lead(
    lease: Lease,
    request: RefreshRequest,
    leaseMs: number,
    renewMs: number,
  ): Promise<ObtainedToken | undefined> {
    const { store, clock, onEvent } = this.parts;
    const { key } = lease;
    const { cause, origin } = request;
    const startedAtMs = clock.now();
    // A lost lease ends the attempts: whoever has it now makes his own.
    const abort = new AbortController();
    let isLost = false;
    const stopKeeping = this.#keepLease(lease, leaseMs, renewMs, () => {
      isLost = true;
      abort.abort();
    });
    let issued: IssuedToken;
    try {
      issued = await this.#issue(key, abort, origin);
    } catch (error) {
      if (isLost) return undefined;
      throw await this.#shareFailure(lease, request, error, startedAtMs);
    } finally {
      stopKeeping();
    }
    const asOfMs = clock.now();
    const outcome = await store.commit(lease, issued);
    if (outcome.kind === 'superseded') {
      onEvent({ kind: 'duplicate', key, tokenId: issued.token.tokenId });
      return outcome.token && { stored: outcome.token, asOfMs, source: 'store', wasThere: false };
    }
    onEvent({
      kind: 'refreshed',
      key,
      cause,
      origin,
      tokenId: issued.token.tokenId,
      generation: lease.generation,
      lifeMs: issued.lifeMs,
      tookMs: clock.now() - startedAtMs,
      alone: lease.alone !== undefined,
    });
    return { stored: outcome.token, asOfMs, source: 'upstream', wasThere: false };
  }

  /** One grant, given up after the longest hold even if the issuer does not heed the signal. */
  async #issue(key: TokenKey, abort: AbortController, origin: Origin | undefined): Promise<IssuedToken> {
    const { issuer, policy, clock } = this.parts;
    const issued = await within(clock, policy.longestHoldMs, issuer.issue(key.subject, abort.signal, origin), () => {
      abort.abort();
      return new IssuerError('upstream_unavailable', `no answer within ${policy.longestHoldMs} ms`);
    });
    if (issued.lifeMs <= policy.safetyMarginMs) {
      const [life, margin] = [issued.lifeMs / 1000, policy.safetyMarginMs / 1000];
      throw new IssuerError('upstream_invalid', `token lives ${life} s, not longer than the safety margin ${margin} s`);
    }
    return issued;
  }

  async #shareFailure(
    lease: Lease,
    request: RefreshRequest,
    error: unknown,
    startedAtMs: number,
  ): Promise<IssuerError> {
    const { store, clock, random, onEvent } = this.parts;
    const { key } = lease;
    if (!(error instanceof IssuerError)) onEvent({ kind: 'fault', key, error });
    const failure =
      error instanceof IssuerError
        ? error
        : new IssuerError('upstream_unavailable', 'the refresh failed inside the broker; its log says why');
    const { code, message, scope } = failure;
    const cooling = coolingOf(failure, random());
    const shared = await store.fail(lease, { code, message, scope, cooling });
    const retryAfterMs = shared?.remainingMs ?? coolingMs(cooling, 1);
    onEvent({
      kind: 'failed',
      key,
      cause: request.cause,
      origin: request.origin,
      code,
      message,
      coolingMs: retryAfterMs,
      tookMs: clock.now() - startedAtMs,
      alone: lease.alone !== undefined,
    });
    return new IssuerError(code, message, { scope, retryAfterMs });
  }

  /** Renews a lease until it is stopped, lost or overtaken. */
  #keepLease(lease: Lease, leaseMs: number, renewMs: number, onLost: () => void): () => void {
    const { clock } = this.parts;
    let renewedAtMs = clock.now();
    let cancel = (): void => {};
    const renew = async (): Promise<void> => {
      const askedAtMs = clock.now();
      // A process that was stopped for longer than its lease need not ask whether it has lost it.
      if (askedAtMs - renewedAtMs > leaseMs) onLost();
      const isHeld = await this.#renew(lease, leaseMs);
      if (!isHeld) onLost();
      else if (this.#leading.has(lease)) renewLater();
      renewedAtMs = askedAtMs;
    };
    const renewLater = (): void => {
      cancel = clock.schedule(renewMs, () => void renew());
    };
    this.#leading.add(lease);
    renewLater();
    return () => {
      this.#leading.delete(lease);
      cancel();
    };
  }

  /** @returns whether it is worth renewing again: held, or nobody knows */
  async #renew(lease: Lease, leaseMs: number): Promise<boolean> {
    try {
      const outcome = await this.parts.store.renew(lease, leaseMs);
      if (outcome === 'lost') this.parts.onEvent({ kind: 'lease_lost', key: lease.key });
      return outcome === 'renewed';
    } catch {
      // The store is away. It may be back before the lease has run out, or take the lease again after that.
      return true;
    }
  }

  #wait(id: string): { until: (timeoutMs: number) => Promise<void>; end: () => void } {
    const { clock } = this.parts;
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => (wake = resolve));
    const all = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, all.add(wake));
    let cancel = (): void => {};
    return {
      until: (timeoutMs) => {
        cancel = clock.schedule(timeoutMs, wake);
        return woken;
      },
      end: () => {
        cancel();
        all.delete(wake);
        if (all.size === 0) this.#waiting.delete(id);
      },
    };
  }
}
