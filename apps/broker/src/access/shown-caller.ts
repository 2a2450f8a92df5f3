import type { CallerRecord } from '#vault';

/** A caller as an admin sees it: of its keys, all but the keys.
 *  @param lastUseOf a key's last use, by its id */
export function shownCaller(record: CallerRecord, lastUseOf: (id: string) => string | undefined) {
  const { name, roles, grants, keys, certificateNames, createdAt, updatedAt } = record;
  return {
    name,
    roles,
    grants,
    keys: keys.map((key) => shownCallerKey(key, lastUseOf(key.id))),
    certificate_names: certificateNames,
    created_at: createdAt,
    updated_at: updatedAt,
  };
}

/** A key of a caller, all but the key. */
function shownCallerKey({ id, createdAt, expiresAt }: CallerRecord['keys'][number], last_used_at: string | undefined) {
  return { id, created_at: createdAt, expires_at: expiresAt, last_used_at };
}
