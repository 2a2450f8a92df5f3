/** What every answer says to a browser that should not be there: it is no page, belongs in no frame, and is what it says it
 *  is (OWASP's headers for APIs). Set by hand: helmet sets a dozen, for pages, and each has its price on the hot path. */
export function securityHeaders(isTls: boolean): Readonly<Record<string, string>> {
  return {
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    // RFC 6797: a year.
    ...(isTls && { 'strict-transport-security': 'max-age=31536000' }),
  };
}
