import { Inject, Injectable } from '@nestjs/common';

import { type KeyRing, keyUse, Vault, VaultError, type VaultStore } from '#vault';

import { BrokerConfig, ConfigError } from '../config/broker-config.js';
import { VaultFollower } from './vault-follower.js';

/** Where the vault keeps its records. */
export const VAULT_STORE = Symbol('VAULT_STORE');

/** Changes the master keys of a running broker. The ring of the settings is held by everything that seals or opens. */
@Injectable()
export class MasterKeys {
  constructor(
    private readonly config: BrokerConfig,
    @Inject(VAULT_STORE) private readonly store: VaultStore,
    private readonly vault: Vault,
    private readonly follower: VaultFollower,
  ) {}

  /** Seals with the first of these keys and opens with all of them from now on, and reads the vault again: what was locked
   *  for want of one of them opens.
   *  @throws ConfigError if the vault has records that they do not open and the present ones do; nothing is changed */
  async change(next: KeyRing): Promise<void> {
    const gone = () => this.config.vaultKeys.ids.filter((id) => next.find(id) === undefined);
    try {
      await this.vault.adoptKeys(next, () => this.#refuseIfNeeded(gone()));
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      throw new ConfigError([`VAULT_KEYS: ${error.message}`]);
    }
    await this.follower.follow();
  }

  /** @param gone ids of keys
   *  @throws VaultError `wrong_key`, `unreadable` */
  async #refuseIfNeeded(gone: readonly string[]): Promise<void> {
    // Mounted files are sealed when they are read, and so are read again.
    if (gone.length === 0 || this.config.vaultStore === 'directory') return;
    const use = keyUse(await this.store.read());
    const needed = gone.filter((id) => use.has(id)).map((id) => `${id}: ${use.get(id)}`);
    if (needed.length === 0) return;
    const what = `master keys are missing under which records of the vault are sealed (${needed.join(', ')})`;
    throw new VaultError(
      'wrong_key',
      `${what}: put them back behind the first one, and drop them after token-broker rekey`,
    );
  }
}
