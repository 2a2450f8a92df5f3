import { VaultError } from './errors.js';
import { applyChanges, type Change, type SealedRecord, type VaultStore } from './vault-store.js';

/** Keeps records as long as the process lives. */
export class MemoryVaultStore implements VaultStore {
  readonly description = 'the vault in memory';
  readonly #records = new Map<string, SealedRecord>();

  async read(): Promise<SealedRecord[]> {
    return [...this.#records.values()];
  }

  async write(changes: readonly Change[]): Promise<void> {
    const stale = applyChanges(this.#records, changes);
    if (stale !== undefined) throw new VaultError('conflict', `${stale} was changed by somebody else`);
  }
}
