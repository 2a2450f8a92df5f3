import type { TokenKey } from './key.js';
import { BREAKER, coolingMs, MOST_CALLS_PER_CLIENT } from './policy.js';
import type { FailureReport, SharedFailure, UpstreamReport } from './ports.js';

/** What a call said of the upstream: it answered, the transport failed, or nothing. */
export type Verdict = 'alive' | 'transport' | 'none';

export function verdictOf({ code, scope }: FailureReport): Verdict {
  return code === 'upstream_unavailable' && scope === 'key' ? 'transport' : 'alive';
}

export function breakerFailure(remainingMs: number): SharedFailure {
  const message = `the breaker is open: ${BREAKER.failures} calls in a row could not reach the upstream`;
  return { code: 'upstream_unavailable', message, scope: 'key', remainingMs };
}

export function breakerReport(failures: number, openMs: number): UpstreamReport['breaker'] {
  if (failures < BREAKER.failures) return { state: 'closed', failures, remainingMs: 0 };
  return { state: openMs > 0 ? 'open' : 'half_open', failures, remainingMs: Math.max(0, openMs) };
}

export interface FailureRecord {
  readonly report: FailureReport;
  readonly inARow: number;
  readonly untilMs: number;
}

/** The failure after `previous`: it cools longer each time in a row. */
export function nextFailure(previous: FailureRecord | undefined, report: FailureReport, now: number): FailureRecord {
  const inARow = (previous?.inARow ?? 0) + 1;
  return { report, inARow, untilMs: now + coolingMs(report.cooling, inARow) };
}

export function asShared({ report, untilMs }: FailureRecord, now: number): SharedFailure {
  return { code: report.code, message: report.message, scope: report.scope, remainingMs: untilMs - now };
}

interface Breaker {
  failures: number;
  opened: number;
  untilMs: number;
  probe: { owner: string; untilMs: number } | undefined;
}

export type Entry =
  | { readonly kind: 'entered' }
  | { readonly kind: 'failed'; readonly failure: SharedFailure }
  | { readonly kind: 'full'; readonly remainingMs: number };

/** What stands between all keys and the upstream, for the store of one process. Times on that store's clock, in ms. */
export class UpstreamGate {
  readonly #failures = new Map<string, FailureRecord>();
  /** By client: who calls, and until when that is believed. */
  readonly #calls = new Map<string, Map<string, number>>();
  readonly #breakers = new Map<string, Breaker>();

  get size(): number {
    return this.#failures.size + this.#calls.size;
  }

  /** Lets the owner of a lease call, if nothing speaks against it. */
  enter(key: TokenKey, owner: string, forMs: number, now: number): Entry {
    const failure = this.#heldBack(key, now);
    if (failure) return { kind: 'failed', failure };
    const calls = this.#callsOf(key, now);
    if (!calls.has(owner) && calls.size >= MOST_CALLS_PER_CLIENT) {
      return { kind: 'full', remainingMs: Math.min(...calls.values()) - now };
    }
    const refused = this.#refusedByBreaker(key, owner, forMs, now);
    if (refused !== undefined) return { kind: 'failed', failure: breakerFailure(refused) };
    this.#calls.set(key.clientId, calls.set(owner, now + forMs));
    return { kind: 'entered' };
  }

  extend(key: TokenKey, owner: string, forMs: number, now: number): void {
    const calls = this.#calls.get(key.clientId);
    if (calls?.has(owner)) calls.set(owner, now + forMs);
    const probe = this.#breakers.get(key.upstreamId)?.probe;
    if (probe?.owner === owner) probe.untilMs = now + forMs;
  }

  leave(key: TokenKey, owner: string, verdict: Verdict, now: number): void {
    const calls = this.#calls.get(key.clientId);
    calls?.delete(owner);
    if (calls?.size === 0) this.#calls.delete(key.clientId);
    const breaker = this.#breakers.get(key.upstreamId);
    if (breaker?.probe?.owner === owner) breaker.probe = undefined;
    if (verdict === 'alive') this.#breakers.delete(key.upstreamId);
    if (verdict === 'transport') this.#countFailure(key.upstreamId, now);
  }

  /** Keeps a failure that is wider than one key. */
  hold(key: TokenKey, report: FailureReport, now: number): FailureRecord {
    const id = report.scope === 'client' ? key.clientId : key.credentialsId;
    const failure = nextFailure(this.#failures.get(id), report, now);
    this.#failures.set(id, failure);
    return failure;
  }

  forgive(key: TokenKey): void {
    this.#failures.delete(key.clientId);
    this.#failures.delete(key.credentialsId);
  }

  report(key: TokenKey, now: number): UpstreamReport {
    const { failures = 0, untilMs = 0 } = this.#breakers.get(key.upstreamId) ?? {};
    return {
      heldBack: this.#heldBack(key, now),
      calls: this.#callsOf(key, now).size,
      breaker: breakerReport(failures, untilMs - now),
    };
  }

  /** Forgets what has run out. */
  sweep(now: number): void {
    for (const [id, { untilMs, report }] of this.#failures) {
      if (untilMs + report.cooling.maxMs <= now) this.#failures.delete(id);
    }
    for (const [id, calls] of this.#calls) {
      if (Math.max(...calls.values()) <= now) this.#calls.delete(id);
    }
  }

  #heldBack({ clientId, credentialsId }: TokenKey, now: number): SharedFailure | undefined {
    const found = [clientId, credentialsId].map((id) => this.#failures.get(id)).find((f) => f && f.untilMs > now);
    return found && asShared(found, now);
  }

  #callsOf({ clientId }: TokenKey, now: number): Map<string, number> {
    const all = this.#calls.get(clientId) ?? new Map<string, number>();
    for (const [owner, untilMs] of all) if (untilMs <= now) all.delete(owner);
    return all;
  }

  /** @returns for how long it refuses; undefined if it does not. Open for long enough, it lets one probe through. */
  #refusedByBreaker({ upstreamId }: TokenKey, owner: string, forMs: number, now: number): number | undefined {
    const breaker = this.#breakers.get(upstreamId);
    if (!breaker || breaker.failures < BREAKER.failures) return undefined;
    if (breaker.untilMs > now) return breaker.untilMs - now;
    const { probe } = breaker;
    if (probe && probe.owner !== owner && probe.untilMs > now) return probe.untilMs - now;
    breaker.probe = { owner, untilMs: now + forMs };
    return undefined;
  }

  #countFailure(upstreamId: string, now: number): void {
    const breaker = this.#breakers.get(upstreamId) ?? { failures: 0, opened: 0, untilMs: 0, probe: undefined };
    this.#breakers.set(upstreamId, breaker);
    breaker.failures += 1;
    if (breaker.failures < BREAKER.failures || breaker.untilMs > now) return;
    breaker.untilMs = now + Math.min(BREAKER.firstMs * 2 ** breaker.opened, BREAKER.maxMs);
    breaker.opened += 1;
  }
}
