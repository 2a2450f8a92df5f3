import { type CallerRecord, type ClientRecord, type RecordKind, serialise } from './records.js';
import type { Sealer } from './sealer.js';
import type { Change } from './vault-store.js';

/** What the vault's records are sealed for. */
export const VAULT_PURPOSE = 'vault' as const;

/** A change of one record. */
export interface Edit {
  readonly kind: RecordKind;
  readonly name: string;
  /** Undefined deletes. */
  readonly next: ClientRecord | CallerRecord | undefined;
}

/** @param current the version that is stored; undefined if there is none */
export async function sealEdit(
  sealer: Sealer,
  { kind, name, next }: Edit,
  current: number | undefined,
  nowMs: number,
): Promise<Change> {
  // A new record does not begin with 1: one of that name may have been deleted, and what somebody knows of it, or has
  // kept of it, must not pass for this one.
  const version = current === undefined ? nowMs : current + 1;
  const place = { purpose: VAULT_PURPOSE, record: `${kind}/${name}`, version };
  const sealed = next && (await sealer.seal(serialise(next), place));
  return { name: place.record, expectedVersion: current ?? 0, version, sealed };
}
