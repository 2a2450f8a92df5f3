import { VaultError } from './errors.js';
import { isName } from './names.js';
import type { BasicEncoding, ClientRecord, ClientSecret, Environment } from './records.js';
import type { Secret } from './secret.js';

/** How many secrets of a client live at once: the one in use, and the one that takes its place. */
export const MOST_SECRETS = 2;

/** What each grant says by itself, or a connection to itself (RFC 9110 §7.6.1): another value would spoil the call. */
const OUR_HEADERS: ReadonlySet<string> = new Set(
  (
    'authorization content-type content-length accept accept-encoding host expect ' +
    'connection keep-alive proxy-connection te trailer transfer-encoding upgrade'
  ).split(' '),
);
const HEADERS_MUST =
  'must be header names with printable ASCII values, and none that a grant or a connection has itself';

/** A client as an operator gives it. What is absent stays as it was. */
export interface ClientCredentials {
  readonly name: string;
  readonly environment: Environment;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly extraHeaders?: Readonly<Record<string, string>>;
  readonly basicEncoding?: BasicEncoding;
  readonly enabled?: boolean;
}

/** When a change is made: ISO 8601, and ms since 1970. */
export interface Moment {
  readonly now: string;
  readonly nowMs: number;
}

/** The client as given, in place of whatever there was. Other credentials start a new generation.
 *  @throws VaultError `invalid` */
export function replaceClient(current: ClientRecord | undefined, given: ClientCredentials, at: Moment): ClientRecord {
  checkCredentials(given);
  const { name, environment, clientId, clientSecret } = given;
  const extraHeaders = given.extraHeaders ?? current?.extraHeaders ?? {};
  const basicEncoding = given.basicEncoding ?? current?.basicEncoding ?? 'plain';
  const enabled = given.enabled ?? current?.enabled ?? true;
  const same =
    current?.environment === environment &&
    current.clientId === clientId &&
    current.basicEncoding === basicEncoding &&
    current.secrets.length === 1 &&
    current.secrets[0]?.secret.reveal() === clientSecret.reveal() &&
    JSON.stringify(current.extraHeaders) === JSON.stringify(extraHeaders);
  return {
    name,
    environment,
    clientId,
    secrets: same ? current.secrets : [{ secret: clientSecret, addedAt: at.now }],
    extraHeaders,
    basicEncoding,
    enabled,
    generation: same && current.enabled === enabled ? current.generation : nextGeneration(current, at),
    createdAt: current?.createdAt ?? at.now,
    updatedAt: at.now,
  };
}

/** What an e-mailed archive brings: a new secret of a known client joins the old one, which stays as long as MobilePay
 *  takes it; everything else is replaced.
 *  @throws VaultError `invalid` */
export function importClient(current: ClientRecord | undefined, given: ClientCredentials, at: Moment): ClientRecord {
  if (current?.environment !== given.environment || current.clientId !== given.clientId) {
    return replaceClient(current, given, at);
  }
  checkCredentials(given);
  if (current.secrets.some(({ secret }) => secret.reveal() === given.clientSecret.reveal())) return current;
  const newest = { secret: given.clientSecret, addedAt: at.now };
  const secrets = [newest, ...bySuitability(current.secrets)].slice(0, MOST_SECRETS);
  return { ...current, secrets, updatedAt: at.now };
}

/** A second live secret. Tokens stay: they are the client's, whichever secret got them.
 *  @throws VaultError `invalid`, `conflict` */
export function addSecret(current: ClientRecord, secret: Secret, at: Moment): ClientRecord {
  const { name, environment, clientId, basicEncoding } = current;
  checkCredentials({ name, environment, clientId, basicEncoding, clientSecret: secret });
  if (current.secrets.some((each) => each.secret.reveal() === secret.reveal())) {
    throw new VaultError('conflict', `${name} has this secret already`);
  }
  if (current.secrets.length >= MOST_SECRETS) {
    throw new VaultError('conflict', `${name} has ${MOST_SECRETS} secrets: retire one of them first`);
  }
  return { ...current, secrets: [{ secret, addedAt: at.now }, ...current.secrets], updatedAt: at.now };
}

/** The client without one of its secrets.
 *  @param force whether the last one that is known to work may go as well
 *  @throws VaultError `not_found`, `conflict` */
export function retireSecret(current: ClientRecord, fingerprint: string, force: boolean, at: Moment): ClientRecord {
  const secrets = current.secrets.filter(({ secret }) => secret.fingerprint !== fingerprint);
  if (secrets.length === current.secrets.length) {
    throw new VaultError('not_found', `${current.name} has no secret of this fingerprint`);
  }
  if (secrets.length === 0) throw new VaultError('conflict', `${current.name} has no other secret`);
  if (!force && !secrets.some(({ acceptedAt }) => acceptedAt !== undefined)) {
    const detail = `MobilePay has not accepted the other secret of ${current.name} yet: test it first, or force it`;
    throw new VaultError('conflict', detail);
  }
  return { ...current, secrets, updatedAt: at.now };
}

/** On or off. Tokens of a client that was off are fetched anew.
 *  @throws VaultError `invalid` */
export function setEnabled(current: ClientRecord, enabled: boolean, at: Moment): ClientRecord {
  if (current.enabled === enabled) return current;
  return { ...current, enabled, generation: nextGeneration(current, at), updatedAt: at.now };
}

/** Remembers what MobilePay said of a secret. */
export function noteSecret(current: ClientRecord, fingerprint: string, accepted: boolean, at: Moment): ClientRecord {
  const secrets = current.secrets.map((each): ClientSecret => {
    if (each.secret.fingerprint !== fingerprint) return each;
    const { secret, addedAt, acceptedSince = at.now } = each;
    return accepted ? { secret, addedAt, acceptedAt: at.now, acceptedSince } : { secret, addedAt, rejectedAt: at.now };
  });
  return { ...current, secrets };
}

/** In the order in which to try them: what MobilePay accepted last, what nobody has tried, what it refused; of equals the
 *  newest first. */
export function bySuitability(secrets: readonly ClientSecret[]): ClientSecret[] {
  const rank = ({ acceptedAt, rejectedAt }: ClientSecret) =>
    acceptedAt !== undefined ? 0 : rejectedAt === undefined ? 1 : 2;
  return secrets.toSorted((a, b) => rank(a) - rank(b) || (a.addedAt < b.addedAt ? 1 : -1));
}

function nextGeneration(current: ClientRecord | undefined, { nowMs }: Moment): number {
  return Math.max(nowMs, (current?.generation ?? 0) + 1);
}

function checkCredentials(given: Omit<ClientCredentials, 'enabled'>): void {
  const { name, clientId, clientSecret, basicEncoding = 'plain', extraHeaders = {} } = given;
  const text = 'must be 1 to 512 characters without control characters';
  need(isName(name), 'name', 'must be 1 to 63 characters of a-z, 0-9 and -, not starting with -');
  need(isPrintable(clientId), 'client_id', text);
  need(isPrintable(clientSecret.reveal()), 'client_secret', text);
  need(
    basicEncoding === 'form' || !clientId.includes(':'),
    'client_id',
    'must have no ":" unless basic_encoding is "form"',
  );
  need(Object.entries(extraHeaders).every(isHeader), 'extra_headers', HEADERS_MUST);
}

function need(holds: boolean, field: string, must: string): void {
  if (!holds) throw new VaultError('invalid', `${field} ${must}`, { field });
}

function isPrintable(text: string): boolean {
  return text.length > 0 && text.length <= 512 && !/\p{Cc}/u.test(text) && text.isWellFormed();
}

/** RFC 9110 §5.1 and §5.5, without what a header may hold but should not. */
function isHeader([name, value]: [string, unknown]): boolean {
  return (
    /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(name) &&
    !OUR_HEADERS.has(name.toLowerCase()) &&
    typeof value === 'string' &&
    /^[\x21-\x7e]([\x20-\x7e]{0,510}[\x21-\x7e])?$/.test(value)
  );
}
