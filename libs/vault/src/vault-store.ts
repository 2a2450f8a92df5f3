/** A record as it is stored. `version` grows with each change. */
export interface SealedRecord {
  readonly name: string;
  readonly version: number;
  readonly sealed: string;
}

export interface Change {
  readonly name: string;
  /** The version that this change was made from; 0 if there must be none yet. */
  readonly expectedVersion: number;
  /** The new one. Never one that the record had before, not even before it was deleted. */
  readonly version: number;
  /** Undefined deletes. */
  readonly sealed: string | undefined;
}

/** Keeps sealed records. Knows nothing of what is in them. */
export interface VaultStore {
  /** For messages, such as `the vault file data/vault.json`. */
  readonly description: string;
  /** @throws VaultError `unreadable` */
  read(): Promise<SealedRecord[]>;
  /** All changes or none, durable when it returns.
   *  @throws VaultError `conflict` a record has another version than expected
   *  @throws VaultError `unwritable` */
  write(changes: readonly Change[]): Promise<void>;
}

/** The records after the changes; for stores that hold them all at once.
 *  @returns the name of the first record that is not of the expected version, if there is one */
export function applyChanges(records: Map<string, SealedRecord>, changes: readonly Change[]): string | undefined {
  const stale = changes.find(({ name, expectedVersion }) => (records.get(name)?.version ?? 0) !== expectedVersion);
  if (stale) return stale.name;
  for (const { name, version, sealed } of changes) {
    if (sealed === undefined) records.delete(name);
    else records.set(name, { name, version, sealed });
  }
  return undefined;
}
