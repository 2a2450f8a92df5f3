import { VaultError } from './errors.js';
import type { Moment } from './client-edits.js';
import type { Grant } from './grants.js';
import { isName } from './names.js';
import type { CallerKeyRecord, CallerRecord, Role } from './records.js';

/** How many keys a caller may have at once. */
const MOST_KEYS = 100;

/** The caller with these roles and grants. Its keys stay.
 *  @throws VaultError `invalid` */
export function replaceCaller(
  current: CallerRecord | undefined,
  name: string,
  { roles, grants }: { readonly roles: readonly Role[]; readonly grants: readonly Grant[] },
  { now }: Moment,
): CallerRecord {
  if (!isName(name)) throw new VaultError('invalid', 'the name must be 1 to 63 characters of a-z, 0-9 and -');
  return { name, roles, grants, keys: current?.keys ?? [], createdAt: current?.createdAt ?? now, updatedAt: now };
}

/** @throws VaultError `conflict` */
export function addKey(current: CallerRecord, key: CallerKeyRecord, { now }: Moment): CallerRecord {
  if (current.keys.length >= MOST_KEYS) throw new VaultError('conflict', `${current.name} has ${MOST_KEYS} keys`);
  return { ...current, keys: [...current.keys, key], updatedAt: now };
}

/** @throws VaultError `not_found` */
export function revokeKey(current: CallerRecord, id: string, { now }: Moment): CallerRecord {
  const keys = current.keys.filter((key) => key.id !== id);
  if (keys.length === current.keys.length) throw new VaultError('not_found', `${current.name} has no key ${id}`);
  return { ...current, keys, updatedAt: now };
}
