import { VaultError } from './errors.js';
import type { Moment } from './client-edits.js';
import type { Grant } from './grants.js';
import { isName } from './names.js';
import type { CallerKeyRecord, CallerRecord, Role } from './records.js';

/** How many keys a caller may have at once. */
const MOST_KEYS = 100;
const EPOCH = '1970-01-01T00:00:00.000Z';

/** What is said of a caller whenever it is put: all but its keys. */
export interface CallerTerms {
  readonly roles: readonly Role[];
  readonly grants: readonly Grant[];
  /** None by default. */
  readonly certificateNames?: readonly string[];
}

/** The caller with these roles, grants and certificate names. Its keys stay.
 *  @throws VaultError `invalid` */
export function replaceCaller(
  current: CallerRecord | undefined,
  name: string,
  { roles, grants, certificateNames = [] }: CallerTerms,
  { now }: Moment,
): CallerRecord {
  if (!isName(name)) throw new VaultError('invalid', 'the name must be 1 to 63 characters of a-z, 0-9 and -');
  const { keys = [], createdAt = now } = current ?? {};
  return { name, roles, grants, keys, certificateNames, createdAt, updatedAt: now };
}

/** The caller, unless another one has a certificate name of it.
 *  @throws VaultError `conflict` */
export function soleHolder(caller: CallerRecord, all: readonly CallerRecord[]): CallerRecord {
  const own = new Set(caller.certificateNames);
  const other = all.find(
    ({ name, certificateNames }) => name !== caller.name && certificateNames.some((n) => own.has(n)),
  );
  if (other) throw new VaultError('conflict', `the caller ${other.name} has one of these certificate names`);
  return caller;
}

/** @throws VaultError `conflict` */
export function addKey(current: CallerRecord, key: CallerKeyRecord, { now }: Moment): CallerRecord {
  if (current.keys.length >= MOST_KEYS) throw new VaultError('conflict', `${current.name} has ${MOST_KEYS} keys`);
  return { ...current, keys: [...current.keys, key], updatedAt: now };
}

/** How old what is noted of a key's use may be, in ms. A note makes every replica read the vault: so it is rare. */
export const KEY_USE_NOTED_FOR_MS = 21_600_000;

/** Remembers when keys were last used.
 *  @param usedAtMs by key id, in ms since 1970
 *  @returns the same record if what it says is not too old */
export function noteKeyUse(current: CallerRecord, usedAtMs: ReadonlyMap<string, number>): CallerRecord {
  const isNews = ({ id, lastUsedAt }: CallerKeyRecord) =>
    (usedAtMs.get(id) ?? 0) - Date.parse(lastUsedAt ?? EPOCH) >= KEY_USE_NOTED_FOR_MS;
  if (!current.keys.some(isNews)) return current;
  const noted = (key: CallerKeyRecord) => ({ ...key, lastUsedAt: new Date(usedAtMs.get(key.id) ?? 0).toISOString() });
  return { ...current, keys: current.keys.map((key) => (isNews(key) ? noted(key) : key)) };
}

/** @throws VaultError `not_found` */
export function revokeKey(current: CallerRecord, id: string, { now }: Moment): CallerRecord {
  const keys = current.keys.filter((key) => key.id !== id);
  if (keys.length === current.keys.length) throw new VaultError('not_found', `${current.name} has no key of this id`);
  return { ...current, keys, updatedAt: now };
}
