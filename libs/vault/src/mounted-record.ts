import { hash } from 'node:crypto';

import { CERTIFICATE_NAME_PATTERN } from './certificate-names.js';
import { MOST_SECRETS, replaceClient } from './client-edits.js';
import { VaultError } from './errors.js';
import { FORMATS } from './formats.js';
import { CLIENT_PATTERN, type Grant, MERCHANT_PATTERN } from './grants.js';
import {
  BASIC_ENCODINGS,
  type CallerKeyRecord,
  type CallerRecord,
  type ClientRecord,
  ENVIRONMENTS,
  type RecordKind,
  ROLES,
} from './records.js';
import { Secret } from './secret.js';

type Fields = Record<string, unknown>;

export interface MountedRecord {
  readonly kind: RecordKind;
  /** The number of its form. */
  readonly format: number;
  /** Undefined if only a newer version reads that form. */
  readonly record: ClientRecord | CallerRecord | undefined;
}

const CLIENT_FIELDS = [
  'format',
  'environment',
  'client_id',
  'client_secret',
  'client_secrets',
  'extra_headers',
  'basic_encoding',
  'enabled',
];
const CALLER_FIELDS = ['format', 'roles', 'grants', 'keys', 'certificate_names'];
const BEFORE_ALL = '1970-01-01T00:00:00.000Z';

/**
 * A client or a caller from a mounted file, in the words of the API: a client as `PUT /v1/clients/{name}` takes it, or
 * with `client_secrets`, a list with the newest first; a caller with `roles`, `grants`, `certificate_names` and `keys`, a
 * list of `{"id", "hash", "expires_at"?}`, the hash being the key's SHA-256 in base64url. `format` says in which form the
 * file is; it is 1 if absent. Says the same on every replica, dates and generation included.
 * @throws VaultError `damaged`; names the field and never its value
 */
export function readMounted(name: string, text: string): MountedRecord {
  const fields = parsed(text);
  const { format: given = 1 } = fields;
  need('format', 'a whole number from 1', Number.isSafeInteger(given) && Number(given) >= 1);
  const format = Number(given);
  const kind = 'roles' in fields ? 'caller' : 'client';
  // What else it must hold is not known here.
  if (format > FORMATS.vault.reads) return { kind, format, record: undefined };
  return { kind, format, record: kind === 'caller' ? readCaller(name, fields) : readClient(name, fields, text) };
}

function readClient(name: string, fields: Fields, text: string): ClientRecord {
  only(fields, CLIENT_FIELDS);
  const {
    client_id,
    client_secret,
    client_secrets,
    extra_headers = {},
    basic_encoding = 'plain',
    enabled = true,
  } = fields;
  const secrets = client_secrets === undefined ? [client_secret] : client_secrets;
  need(
    'client_secrets',
    `a list of 1 to ${MOST_SECRETS} texts, or client_secret in its place`,
    isList(secrets, isText) && secrets.length > 0 && secrets.length <= MOST_SECRETS,
  );
  need('client_id', 'a text', isText(client_id));
  need('extra_headers', 'an object of texts', isRecord(extra_headers) && Object.values(extra_headers).every(isText));
  need('enabled', 'true or false', typeof enabled === 'boolean');
  const given = {
    name,
    environment: oneOf('environment', fields['environment'], ENVIRONMENTS),
    clientId: String(client_id),
    extraHeaders: Object.fromEntries(
      Object.entries(Object(extra_headers)).map(([header, value]) => [header, String(value)]),
    ),
    basicEncoding: oneOf('basic_encoding', basic_encoding, BASIC_ENCODINGS),
    enabled: enabled === true,
  };
  // Not a count, but as good: it differs with every change, and is the same for all who read the file.
  const at = { now: BEFORE_ALL, nowMs: Number.parseInt(hash('sha256', text, 'hex').slice(0, 12), 16) };
  const [newest, other] = listOf(secrets).map((secret) =>
    replaceClient(undefined, { ...given, clientSecret: new Secret(String(secret)) }, at),
  );
  if (!newest) throw wrong('client_secret', 'a text');
  return { ...newest, secrets: [...newest.secrets, ...(other?.secrets ?? [])] };
}

function readCaller(name: string, fields: Fields): CallerRecord {
  only(fields, CALLER_FIELDS);
  const { roles, grants = [], keys = [], certificate_names = [] } = fields;
  need('grants', 'a list of {client, merchants, unrestricted}', isList(grants, isRecord));
  need('keys', 'a list of {id, hash, expires_at}', isList(keys, isRecord));
  const isName = (each: unknown) => isText(each) && CERTIFICATE_NAME_PATTERN.test(each);
  need('certificate_names', 'a list of uri:, dns: or email: and the exact name', isList(certificate_names, isName));
  need('roles', `a list of ${ROLES.join(', ')}`, Array.isArray(roles));
  return {
    name,
    roles: listOf(roles).map((role) => oneOf('roles', role, ROLES)),
    grants: listOf(grants).map((grant) => readGrant(Object(grant))),
    keys: listOf(keys).map((key) => readKey(Object(key))),
    certificateNames: listOf(certificate_names).map(String),
    createdAt: BEFORE_ALL,
    updatedAt: BEFORE_ALL,
  };
}

function readGrant({ client, merchants = [], unrestricted = false }: Fields): Grant {
  need('grants.client', 'a client name, or the beginning of one with *', isText(client) && CLIENT_PATTERN.test(client));
  const isFine = isList(merchants, (each) => isText(each) && MERCHANT_PATTERN.test(each));
  need('grants.merchants', 'VAT numbers, or the beginnings of some with *', isFine);
  need('grants.unrestricted', 'true or false', typeof unrestricted === 'boolean');
  return { client: String(client), merchants: listOf(merchants).map(String), unrestricted: unrestricted === true };
}

function readKey({ id, hash: digest, expires_at }: Fields): CallerKeyRecord {
  need('keys.id', '12 hex digits', isText(id) && /^[0-9a-f]{12}$/.test(id));
  need('keys.hash', 'SHA-256 in base64url', isText(digest) && /^[A-Za-z0-9_-]{43}$/.test(digest));
  const isDate = expires_at === undefined || (isText(expires_at) && !Number.isNaN(Date.parse(expires_at)));
  need('keys.expires_at', 'a date in ISO 8601', isDate);
  const key = { id: String(id), hash: Buffer.from(String(digest), 'base64url'), createdAt: BEFORE_ALL };
  return isText(expires_at) ? { ...key, expiresAt: expires_at } : key;
}

function parsed(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message may quote the text.
    throw new VaultError('damaged', 'is not JSON');
  }
  if (!isRecord(value)) throw new VaultError('damaged', 'must be a JSON object');
  return value;
}

function only(fields: Fields, known: readonly string[]): void {
  if (Object.keys(fields).some((field) => !known.includes(field))) {
    throw new VaultError('damaged', `must have no other fields than ${known.join(', ')}`);
  }
}

function need(field: string, what: string, holds: boolean): void {
  if (!holds) throw wrong(field, what);
}

function oneOf<T extends string>(field: string, value: unknown, known: readonly T[]): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw wrong(field, known.join(' or '));
  return found;
}

function wrong(field: string, what: string): VaultError {
  return new VaultError('damaged', `${field} must be ${what}`);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: unknown, holds: (each: unknown) => boolean): value is unknown[] {
  return Array.isArray(value) && value.every(holds);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
