import type { IssuerError, KeyReport, UpstreamReport } from '#token';

export interface Facts {
  /** Life left of a token in memory that may be given out, in ms. */
  readonly heldMs: number | undefined;
  readonly isExpiring: boolean;
  readonly isRefreshing: boolean;
  /** Of the last refresh, still cooling. */
  readonly failure: IssuerError | undefined;
  readonly shared: { readonly key: KeyReport; readonly upstream: UpstreamReport } | { readonly away: string };
  readonly safetyMarginMs: number;
}

export interface NextAnswer {
  readonly from: 'memory' | 'store' | 'refresh' | 'upstream' | 'refusal';
  readonly why: string;
}

/** Where the next answer would come from, and why: the order in which the core looks. */
export function nextAnswer(facts: Facts): NextAnswer {
  const { heldMs, isExpiring, isRefreshing, failure, shared } = facts;
  if (heldMs !== undefined) {
    const seconds = Math.floor(heldMs / 1_000);
    const renewal = isRefreshing ? ', a renewal is under way' : isExpiring ? ', and starts a renewal' : '';
    return { from: 'memory', why: `this replica holds a token with ${seconds} s of life left${renewal}` };
  }
  if (isRefreshing) return { from: 'refresh', why: 'this replica is getting one: callers wait for it' };
  if (failure) return { from: 'refusal', why: `the last refresh failed and still cools: ${failure.message}` };
  if ('away' in shared) {
    return {
      from: 'upstream',
      why: `the shared store is away (${shared.away}): after its grace, this replica calls alone`,
    };
  }
  const { token, lease, failure: sharedFailure } = shared.key;
  if (token && token.remainingMs >= facts.safetyMarginMs) {
    return {
      from: 'store',
      why: `another replica stored a token with ${Math.floor(token.remainingMs / 1_000)} s of life left`,
    };
  }
  if (sharedFailure)
    return { from: 'refusal', why: `the last refresh failed and still cools: ${sharedFailure.message}` };
  if (lease)
    return { from: 'refresh', why: `${lease.owner.split('/', 1).join('')} is getting one: callers wait for it` };
  const { heldBack, breaker } = shared.upstream;
  if (heldBack) return { from: 'refusal', why: `the ${heldBack.scope} is held back: ${heldBack.message}` };
  if (breaker.state === 'open') return { from: 'refusal', why: 'the breaker of the token endpoint is open' };
  return { from: 'upstream', why: 'nobody has a token that may be given out: this replica would call' };
}
