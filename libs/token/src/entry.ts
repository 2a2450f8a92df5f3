import { type Due, NOT_DUE } from './agenda.js';
import { IssuerError, ValidityUnavailableError } from './errors.js';
import type { HeldToken } from './held-token.js';
import type { TokenKey } from './key.js';
import type { TokenPolicy } from './policy.js';

/** What a replica has of one key. Due when it is to be renewed ahead, or forgotten. */
export interface Entry extends Due {
  /** As it was asked for last: what its failures are shared under may change. */
  key: TokenKey;
  held: HeldToken | undefined;
  failure: { readonly error: IssuerError; readonly untilMs: number } | undefined;
  /** Before that, a renewal ahead is of no use: the last one failed. */
  restUntilMs: number | undefined;
  /** The refresh under way, which everybody who needs one joins. */
  flight: Promise<HeldToken> | undefined;
  /** Whether anybody asked since the token came: only then is it renewed ahead. */
  asked: boolean;
}

export function newEntry(key: TokenKey): Entry {
  // Each by name: what is spread into an object lies in a list beside it, which takes 40 bytes more.
  return {
    key,
    held: undefined,
    failure: undefined,
    restUntilMs: undefined,
    flight: undefined,
    asked: false,
    dueAtMs: NOT_DUE.dueAtMs,
    place: NOT_DUE.place,
  };
}

/** When its token has no more life than the safety margin. */
export function diesAtMs({ held }: Entry, { safetyMarginMs }: TokenPolicy): number {
  return (held?.expiresAtMs ?? -Infinity) - safetyMarginMs;
}

/** When neither its token nor its failure is of use any more. */
export function uselessAtMs(entry: Entry, policy: TokenPolicy): number {
  return Math.max(diesAtMs(entry, policy), entry.failure?.untilMs ?? -Infinity);
}

/** A token that was just refreshed and still is too short for the caller would be too short after another call.
 *  @throws ValidityUnavailableError */
export function refuseIfTooYoung({ held }: Entry, { minRefreshIntervalMs }: TokenPolicy, now: number): void {
  if (!held) return;
  const restsUntilMs = held.startedAtMs + Math.min(minRefreshIntervalMs, held.refreshAtMs - held.startedAtMs);
  if (now < restsUntilMs) throw new ValidityUnavailableError(held.expiresAtMs - now);
}

/** @throws IssuerError the last failure, if it still cools */
export function refuseIfCooling({ failure }: Entry, now: number): void {
  if (!failure) return;
  const remainingMs = failure.untilMs - now;
  if (remainingMs <= 0) return;
  const { code, message, scope } = failure.error;
  throw new IssuerError(code, message, { scope, retryAfterMs: remainingMs });
}
