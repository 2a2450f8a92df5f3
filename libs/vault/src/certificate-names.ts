/**
 * A subject alternative name (RFC 5280 §4.2.1.6) of a client certificate, exactly, with its kind before it:
 * `uri:spiffe://cluster/ns/shops/sa/till`, `dns:till.shops.svc` (in lower case), `email:till@shops.example`. No wildcard,
 * and none of the characters that Node puts in quotes, for such names are not believed.
 */
export const CERTIFICATE_NAME_PATTERN =
  /^(dns:[a-z\d_][a-z\d_.-]{0,252}|email:[\w.+-]{1,64}@[A-Za-z\d.-]{1,253}|uri:[A-Za-z][A-Za-z\d+.-]{0,31}:[\x21\x23-\x26\x28\x29\x2b\x2d-\x5b\x5d-\x7e]{1,2000})$/;
