import type { RecordKind, Vault } from '#vault';

/** The names of records of a kind that are there and cannot be opened here, if there are any: `locked` wants a master key
 *  that is not at hand, `newer` was written by a newer version. */
export function unopened({ locked, newer }: Vault, kind: RecordKind): { locked?: string[]; newer?: string[] } {
  const named = (records: ReadonlyMap<string, unknown>) =>
    [...records.keys()]
      .filter((name) => name.startsWith(`${kind}/`))
      .map((name) => name.slice(kind.length + 1))
      .toSorted();
  const [ofKey, ofVersion] = [named(locked), named(newer)];
  return { ...(ofKey.length > 0 && { locked: ofKey }), ...(ofVersion.length > 0 && { newer: ofVersion }) };
}
