import { StoreAwayError } from '#token';
import { type Change, type SealedRecord, VaultError, type VaultStore } from '#vault';

import type { RedisLink } from './redis-link.js';

/** Sealed records in one hash of Redis, shared by all replicas: `name` → `version sealed`. */
export class RedisVaultStore implements VaultStore {
  readonly description = 'the vault in Redis';

  constructor(private readonly link: RedisLink) {}

  async read(): Promise<SealedRecord[]> {
    const { vault } = this.link.keys;
    try {
      const found = await this.link.call(vault, (redis) => redis.hgetall(vault));
      return Object.entries(found).map(([name, value]) => this.#recordFrom(name, value));
    } catch (error) {
      throw asVaultError(error, 'unreadable', `${this.description} cannot be read`);
    }
  }

  async write(changes: readonly Change[]): Promise<void> {
    const args = changes.flatMap(({ name, expectedVersion, sealed = '' }) => [name, expectedVersion, sealed]);
    let stale: unknown;
    try {
      stale = await this.link.run('write-vault', this.link.keys.vault, ...args);
    } catch (error) {
      throw asVaultError(error, 'unwritable', `${this.description} cannot be written, or did not say so in time`);
    }
    if (stale !== '') throw new VaultError('conflict', `${String(stale)} was changed by somebody else`);
  }

  #recordFrom(name: string, value: string): SealedRecord {
    const [, version, sealed] = /^(\d+) (.*)$/s.exec(value) ?? [];
    if (version === undefined || sealed === undefined) {
      throw new VaultError('damaged', `${name} in ${this.description} is damaged`);
    }
    return { name, version: Number(version), sealed };
  }
}

function asVaultError(error: unknown, code: 'unreadable' | 'unwritable', what: string): unknown {
  return error instanceof StoreAwayError ? new VaultError(code, `${what} (${error.reason})`, { cause: error }) : error;
}
