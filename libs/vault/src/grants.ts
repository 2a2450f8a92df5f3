import type { Role } from './records.js';

/** What a caller may ask tokens for. What no grant names is refused. */
export interface Grant {
  /** A client's name, or the beginning of one with `*` behind it. */
  readonly client: string;
  /** VAT numbers, or the beginnings of some with `*` behind it. */
  readonly merchants: readonly string[];
  /** Whether tokens bound to no merchant are granted. */
  readonly unrestricted: boolean;
}

/** Why a caller may not have a token: it lacks the role; no grant names the client; one does, and not the merchant, or
 *  not tokens bound to none. */
export type Refusal = 'role' | 'client' | 'merchant' | 'unrestricted';

export const CLIENT_PATTERN = /^(\*|[a-z0-9][a-z0-9-]{0,62}\*?)$/;
export const MERCHANT_PATTERN = /^(\*|(DK|FI)(\d{8}|\d{0,7}\*))$/;

/**
 * Whether a caller may have a token: the one place where that is decided. Does not ask whether the client exists, so that
 * no refusal tells.
 * @param merchantVat absent for a token bound to no merchant
 * @returns the grant that allows it, or why none does
 */
export function decide(
  { roles, grants }: { readonly roles: readonly Role[]; readonly grants: readonly Grant[] },
  client: string,
  merchantVat: string | undefined,
): Grant | Refusal {
  if (!roles.includes('token')) return 'role';
  let refusal: Refusal = 'client';
  for (const grant of grants) {
    if (!matches(grant.client, client)) continue;
    if (merchantVat === undefined ? grant.unrestricted : names(grant.merchants, merchantVat)) return grant;
    refusal = merchantVat === undefined ? 'unrestricted' : 'merchant';
  }
  return refusal;
}

interface Merchants {
  readonly whole: ReadonlySet<string>;
  readonly beginnings: readonly string[];
}

const known = new WeakMap<readonly string[], Merchants>();

/** A grant may name thousands of merchants: the whole ones are looked up, not gone through. */
function names(merchants: readonly string[], merchantVat: string): boolean {
  let sorted = known.get(merchants);
  if (!sorted) {
    const beginnings = merchants.filter((pattern) => pattern.endsWith('*'));
    sorted = { whole: new Set(merchants), beginnings };
    known.set(merchants, sorted);
  }
  if (sorted.whole.has(merchantVat)) return true;
  for (const pattern of sorted.beginnings) if (matches(pattern, merchantVat)) return true;
  return false;
}

function matches(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}
