import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { decodeJwt } from 'jose';

import {
  callerKeyId,
  callerKeyMatches,
  type CallerRecord,
  hashOfCallerKey,
  KEY_USE_NOTED_FOR_MS,
  noteKeyUse,
  Vault,
  VaultError,
} from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import type { Caller } from '../http/caller.js';
import { JwtCallers } from './jwt-callers.js';

interface KeyEntry {
  readonly caller: Caller;
  readonly hash: Buffer;
  /** ms since 1970, as all three. */
  readonly expiresAtMs: number;
  /** By any replica, as far as the vault knows. */
  readonly notedAtMs: number;
  usedAtMs: number;
}

/** Three parts of base64url, the first beginning with `{"`: a JWS in compact form (RFC 7515 §7.1). */
const JWT = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/;

/** The admin to begin with, whose key is a setting. No caller in the vault can have its name. */
const BUILT_IN_ADMIN: Caller = { name: '@admin', roles: ['ops', 'admin'], grants: [] };

/** How often it is looked whether there is news of the use of keys, in ms. */
const NOTE_EVERY_MS = 60_000;

/** Finds out who holds a caller key, and remembers when each was used. */
@Injectable()
export class Callers implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = new Logger('access');
  readonly #adminKeyHash: Buffer | undefined;
  readonly #jwtIssuers: BrokerConfig['jwtIssuers'];
  readonly #unsubscribe: () => void;
  readonly #timer = setInterval(() => void this.noteUse(), NOTE_EVERY_MS).unref();
  #keys = new Map<string, KeyEntry>();
  #isNoting = false;

  constructor(
    private readonly vault: Vault,
    private readonly jwts: JwtCallers,
    { adminKey, jwtIssuers }: BrokerConfig,
  ) {
    this.#jwtIssuers = jwtIssuers;
    this.#adminKeyHash = adminKey && hashOfCallerKey(adminKey.reveal());
    this.#index();
    this.#unsubscribe = vault.onChange(() => this.#index());
  }

  /** Not before: until then nobody hears the log. */
  onApplicationBootstrap(): void {
    const hasAdmin = this.vault.callers.some((each) => each.roles.includes('admin') && this.#canSignIn(each));
    if (hasAdmin && this.#adminKeyHash) this.#log.warn({ event: 'built_in_admin_still_on' });
    if (!hasAdmin && !this.#adminKeyHash) this.#log.warn({ event: 'no_admin' });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
    clearInterval(this.#timer);
  }

  /** @param credential a caller key, or a JWT
   *  @returns undefined if it is unknown, wrong, revoked or expired; a promise only for a JWT that was not seen before */
  authenticate(credential: string): Caller | undefined | Promise<Caller | undefined> {
    return JWT.test(credential) ? this.jwts.authenticate(credential) : this.#holderOf(credential);
  }

  /** The same, if it can be told at once: undefined as well for a JWT that was not seen before. */
  atOnce(credential: string): Caller | undefined {
    return JWT.test(credential) ? this.jwts.findSeen(credential) : this.#holderOf(credential);
  }

  /** When a credential that was authenticated just now ends by itself, in ms since 1970; Infinity if it does not. */
  endOf(credential: string): number {
    if (JWT.test(credential)) return (decodeJwt(credential).exp ?? 0) * 1_000;
    return this.#keys.get(callerKeyId(credential) ?? '')?.expiresAtMs ?? Infinity;
  }

  /** When a key was last used: here to the millisecond, elsewhere to the quarter of a day. ISO 8601. */
  lastUseOf(id: string): string | undefined {
    const { usedAtMs = 0 } = this.#keys.get(id) ?? {};
    return usedAtMs === 0 ? undefined : new Date(usedAtMs).toISOString();
  }

  /** Puts into the vault what it does not know yet of the use of keys, in one write. */
  async noteUse(): Promise<void> {
    const news = [...this.#keys].filter(([, { usedAtMs, notedAtMs }]) => usedAtMs - notedAtMs >= KEY_USE_NOTED_FOR_MS);
    if (news.length === 0 || this.#isNoting) return;
    const usedAtMs = new Map(news.map(([id, entry]) => [id, entry.usedAtMs]));
    this.#isNoting = true;
    try {
      await this.vault.changeCallers((current) => noteKeyUse(current, usedAtMs));
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      // Mounted files cannot be written: then every replica knows what it has seen itself.
      if (error.code !== 'read_only') this.#log.warn({ event: 'key_use_not_noted', code: error.code });
    } finally {
      this.#isNoting = false;
    }
  }

  #canSignIn({ name, keys, certificateNames }: CallerRecord): boolean {
    const isNamed = this.#jwtIssuers.some(({ callers }) => callers.some(({ caller }) => caller === name));
    const isLive = ({ id }: CallerRecord['keys'][number]) => (this.#keys.get(id)?.expiresAtMs ?? 0) > Date.now();
    return isNamed || certificateNames.length > 0 || keys.some(isLive);
  }

  #holderOf(key: string): Caller | undefined {
    const entry = this.#keys.get(callerKeyId(key) ?? '');
    if (entry && callerKeyMatches(key, entry.hash)) {
      const now = Date.now();
      if (entry.expiresAtMs <= now) return undefined;
      entry.usedAtMs = now;
      return entry.caller;
    }
    return this.#adminKeyHash && callerKeyMatches(key, this.#adminKeyHash) ? BUILT_IN_ADMIN : undefined;
  }

  #index(): void {
    const before = this.#keys;
    this.#keys = new Map(
      this.vault.callers.flatMap((caller) =>
        caller.keys.map((key) => [key.id, entryOf(caller, key, before.get(key.id))]),
      ),
    );
  }
}

function entryOf(
  caller: CallerRecord,
  { hash, expiresAt, lastUsedAt }: CallerRecord['keys'][number],
  before: KeyEntry | undefined,
): KeyEntry {
  const notedAtMs = lastUsedAt === undefined ? 0 : Date.parse(lastUsedAt);
  const expiresAtMs = expiresAt === undefined ? Infinity : Date.parse(expiresAt);
  return { caller, hash, expiresAtMs, notedAtMs, usedAtMs: Math.max(notedAtMs, before?.usedAtMs ?? 0) };
}
