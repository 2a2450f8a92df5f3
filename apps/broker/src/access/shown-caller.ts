import type { CallerRecord } from '#vault';

/** A caller as an admin sees it: of its keys, all but the keys.
 *  @param lastUseOf a key's last use, by its id */
export function shownCaller(record: CallerRecord, lastUseOf: (id: string) => string | undefined) {
  const { name, roles, grants, keys, certificateNames, createdAt, updatedAt } = record;
  return {
    name,
    roles,
    grants,
    keys: keys.map(({ id, createdAt: created_at, expiresAt: expires_at }) => ({
      id,
      created_at,
      expires_at,
      last_used_at: lastUseOf(id),
    })),
    certificate_names: certificateNames,
    created_at: createdAt,
    updated_at: updatedAt,
  };
}
