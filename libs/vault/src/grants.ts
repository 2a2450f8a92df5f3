/** What a caller may ask tokens for. What no grant names is refused. */
export interface Grant {
  /** A client's name, or the beginning of one with `*` behind it. */
  readonly client: string;
  /** VAT numbers, or the beginnings of some with `*` behind it. */
  readonly merchants: readonly string[];
  /** Whether tokens bound to no merchant are granted. */
  readonly unrestricted: boolean;
}

export const CLIENT_PATTERN = /^(\*|[a-z0-9][a-z0-9-]{0,62}\*?)$/;
export const MERCHANT_PATTERN = /^(\*|(DK|FI)(\d{8}|\d{0,7}\*))$/;

/** @param merchantVat absent for a token bound to no merchant */
export function isGranted(grants: readonly Grant[], client: string, merchantVat: string | undefined): boolean {
  return grants.some(
    (grant) =>
      matches(grant.client, client) &&
      (merchantVat === undefined
        ? grant.unrestricted
        : grant.merchants.some((pattern) => matches(pattern, merchantVat))),
  );
}

function matches(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}
