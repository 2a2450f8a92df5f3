import type { Grant } from './grants.js';
import { Secret } from './secret.js';

export const ENVIRONMENTS = ['sandbox', 'production'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** How the Basic header is made: `plain` joins id and secret as they are, `form` form-encodes each (RFC 6749 §2.3.1). */
export const BASIC_ENCODINGS = ['plain', 'form'] as const;
export type BasicEncoding = (typeof BASIC_ENCODINGS)[number];

export const ROLES = ['token', 'ops', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface ClientSecret {
  readonly secret: Secret;
  /** ISO 8601, as all dates here. */
  readonly addedAt: string;
  /** When MobilePay was last seen to accept it, or to refuse it: the later of the two, where it was looked at. */
  readonly acceptedAt?: string;
  readonly rejectedAt?: string;
  /** Since when it was accepted whenever it was looked at. */
  readonly acceptedSince?: string;
}

/** An integrator client: what MobilePay knows it by, and how to show it. */
export interface ClientRecord {
  readonly name: string;
  readonly environment: Environment;
  readonly clientId: string;
  /** The newest first. At least one. */
  readonly secrets: readonly ClientSecret[];
  /** Fixed headers sent with each grant, such as the older gateway's `x-ibm-client-id`. */
  readonly extraHeaders: Readonly<Record<string, string>>;
  readonly basicEncoding: BasicEncoding;
  readonly enabled: boolean;
  /** Grows with each change of the credentials. Tokens of another generation are of no more use. */
  readonly generation: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface CallerKeyRecord {
  readonly id: string;
  /** SHA-256 of the whole key. */
  readonly hash: Buffer;
  readonly createdAt: string;
  readonly expiresAt?: string;
  /** To the quarter of a day: what every replica and a restart know of it. */
  readonly lastUsedAt?: string;
}

/** A store service or a person in operations. */
export interface CallerRecord {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly grants: readonly Grant[];
  readonly keys: readonly CallerKeyRecord[];
  /** Subject alternative names of client certificates that speak for it, as `CERTIFICATE_NAME_PATTERN` says. */
  readonly certificateNames: readonly string[];
  readonly createdAt: string;
  readonly updatedAt: string;
}

export type RecordKind = 'client' | 'caller';

/** The one place where a secret is written out: on its way into the sealer. */
export function serialise(record: ClientRecord | CallerRecord): string {
  return JSON.stringify(
    'clientId' in record
      ? { ...record, secrets: record.secrets.map((each) => ({ ...each, secret: each.secret.reveal() })) }
      : { ...record, keys: record.keys.map((key) => ({ ...key, hash: key.hash.toString('base64url') })) },
  );
}

type StoredClient = Omit<ClientRecord, 'secrets'> & { secrets: (Omit<ClientSecret, 'secret'> & { secret: string })[] };
type StoredCaller = Omit<CallerRecord, 'keys' | 'certificateNames'> & {
  keys: (Omit<CallerKeyRecord, 'hash'> & { hash: string })[];
  /** Absent in what was sealed before there were any. */
  certificateNames?: string[];
};

// What the sealer opened was written by `serialise`: it is authentic, so its shape is trusted.
/* oxlint-disable typescript/no-unsafe-type-assertion */

export function parseClient(json: string): ClientRecord {
  const stored = JSON.parse(json) as StoredClient;
  return {
    ...stored,
    secrets: stored.secrets.map(({ secret, ...rest }) => Object.assign(rest, { secret: new Secret(secret) })),
  };
}

export function parseCaller(json: string): CallerRecord {
  const { certificateNames = [], ...stored } = JSON.parse(json) as StoredCaller;
  return {
    ...stored,
    certificateNames,
    keys: stored.keys.map(({ hash, ...key }) => Object.assign(key, { hash: Buffer.from(hash, 'base64url') })),
  };
}
