import { Injectable, type OnModuleDestroy } from '@nestjs/common';

import { callerKeyId, callerKeyMatches, type CallerRecord, hashOfCallerKey, Vault } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import type { Caller } from '../http/caller.js';

interface KeyEntry {
  readonly caller: Caller;
  readonly hash: Buffer;
  /** ms since 1970. */
  readonly expiresAtMs: number;
}

/** The admin to begin with, whose key is a setting. No caller in the vault can have its name. */
const BUILT_IN_ADMIN: Caller = { name: '@admin', roles: ['ops', 'admin'], grants: [] };

/** Finds out who holds a caller key. */
@Injectable()
export class Callers implements OnModuleDestroy {
  readonly #adminKeyHash: Buffer | undefined;
  readonly #unsubscribe: () => void;
  #keys = new Map<string, KeyEntry>();

  constructor(
    private readonly vault: Vault,
    { adminKey }: BrokerConfig,
  ) {
    this.#adminKeyHash = adminKey && hashOfCallerKey(adminKey.reveal());
    this.#index();
    this.#unsubscribe = vault.onChange(() => this.#index());
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** @returns undefined if the key is unknown, wrong, revoked or expired */
  authenticate(key: string): Caller | undefined {
    const entry = this.#keys.get(callerKeyId(key) ?? '');
    if (entry && callerKeyMatches(key, entry.hash)) return entry.expiresAtMs > Date.now() ? entry.caller : undefined;
    return this.#adminKeyHash && callerKeyMatches(key, this.#adminKeyHash) ? BUILT_IN_ADMIN : undefined;
  }

  #index(): void {
    this.#keys = new Map(this.vault.callers.flatMap((caller) => keysOf(caller)));
  }
}

function keysOf(caller: CallerRecord): [string, KeyEntry][] {
  return caller.keys.map(({ id, hash, expiresAt }) => [
    id,
    { caller, hash, expiresAtMs: expiresAt === undefined ? Infinity : Date.parse(expiresAt) },
  ]);
}
