import { createHash } from 'node:crypto';

/** What a token is for. Two subjects that differ in any part never share a token. */
export interface TokenSubject {
  /** Which of the upstream's environments, such as `sandbox`. */
  readonly environment: string;
  /** The upstream's token endpoint, absolute. */
  readonly tokenUrl: string;
  /** The client's name in the vault. */
  readonly client: string;
  /** Generation of the client's credentials; a new secret means a new key, so an old token cannot serve it. */
  readonly credentialGeneration: number;
  /** Changes when there is a new reason to try the credentials again: failures of the earlier state are forgotten, its
   *  tokens are not. */
  readonly credentialState?: string | undefined;
  /** `DK` or `FI` and 8 digits; absent for a token bound to no merchant. */
  readonly merchantVat?: string | undefined;
  /** RFC 6749 §3.3; absent for the upstream's default. */
  readonly scope?: string | undefined;
}

/** What the keys of a client have in common. */
export type CommonSubject = Omit<TokenSubject, 'merchantVat' | 'scope'>;

/** A merchant's VAT number as MobilePay takes it: `DK` or `FI` and 8 digits, nothing else. */
export const MERCHANT_VAT_PATTERN = /^(DK|FI)\d{8}$/;

export function isMerchantVat(text: string): boolean {
  return MERCHANT_VAT_PATTERN.test(text);
}

/** A subject with the identifiers that tokens and failures are stored under. */
export interface TokenKey {
  readonly subject: TokenSubject;
  /** SHA-256 over the whole subject, base64url, 43 characters. */
  readonly id: string;
  /** Shared by all keys of one credential generation. */
  readonly credentialsId: string;
  /** Shared by all keys of one client. */
  readonly clientId: string;
  /** Shared by all keys of one token endpoint. */
  readonly upstreamId: string;
}

export function tokenKey(subject: TokenSubject): TokenKey {
  return { ...tokenKeysOf(subject)(subject.merchantVat, subject.scope), subject };
}

/** Makes the keys of one client. What they have in common is computed and held once: with 100,000 keys that saves 200
 *  bytes each. */
export function tokenKeysOf(common: CommonSubject): (merchantVat?: string, scope?: string) => TokenKey {
  const { environment, tokenUrl, client, credentialGeneration, credentialState } = common;
  const ofClient = ['client', environment, tokenUrl, client];
  const ofCredentials = [...ofClient, String(credentialGeneration)];
  const credentialsId = digest([...ofCredentials, credentialState]);
  const clientId = digest(ofClient);
  const upstreamId = digest(['upstream', tokenUrl]);
  return (merchantVat, scope) => ({
    subject: { environment, tokenUrl, client, credentialGeneration, credentialState, merchantVat, scope },
    id: digest([...ofCredentials, merchantVat, scope]),
    credentialsId,
    clientId,
    upstreamId,
  });
}

/** Sorts keys by client, then merchant, then scope. Names hold no space, and an id has a fixed length. */
export function keyLabel({ id, subject: { client, merchantVat = '-', scope = '' } }: TokenKey): string {
  return `${client} ${merchantVat} ${scope} ${id}`;
}

/** Each part with its length, or an explicit "none": no two different lists hash the same bytes. */
function digest(parts: readonly (string | undefined)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    // UTF-16 keeps lone surrogates apart, which UTF-8 would fold into one replacement character.
    hash.update(part === undefined ? 'none;' : `${part.length}:`).update(part ?? '', 'utf16le');
  }
  return hash.digest('base64url');
}
