import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { decodeJwt, errors } from 'jose';
import { LRUCache } from 'lru-cache';

import { Vault } from '#vault';

import { BrokerConfig, type JwtIssuerConfig } from '../config/broker-config.js';
import { codeOf } from '../config/secrets.js';
import type { Caller } from '../http/caller.js';
import { JwksKeys } from './jwks-keys.js';
import { callerNameOf } from './jwt-rules.js';
import { verifyJwt } from './jwt-verification.js';

/** The longest JWT that is read, in characters. */
const LONGEST_JWT = 8_192;
/** JWTs kept in mind; of more, those that were used least lately are verified anew. */
const MOST_SEEN = 10_000;

interface Issuer {
  readonly config: JwtIssuerConfig;
  readonly keys: JwksKeys;
}

/** What a JWT was found to be, while its issuer has the same keys and rules. */
interface SeenJwt {
  readonly callerName: string;
  readonly keys: JwksKeys;
  readonly generation: number;
  /** ms since 1970. */
  readonly validUntilMs: number;
}

/** Finds out whom a JWT of a configured issuer speaks for. */
@Injectable()
export class JwtCallers implements OnModuleInit, OnModuleDestroy {
  readonly #log = new Logger('jwt');
  #issuers: ReadonlyMap<unknown, Issuer>;
  /** By the SHA-256 of the JWT: none is kept. */
  readonly #seen = new LRUCache<string, SeenJwt>({ max: MOST_SEEN });

  constructor(
    private readonly vault: Vault,
    { jwtIssuers }: BrokerConfig,
  ) {
    this.#issuers = new Map(jwtIssuers.map((config) => [config.issuer, { config, keys: new JwksKeys(config) }]));
  }

  /** Believes these issuers from now on, and no other. One that has its keys where it had them keeps those that are known;
   *  one that has not changed at all keeps everything. */
  adopt(jwtIssuers: readonly JwtIssuerConfig[]): void {
    const before = this.#issuers;
    this.#issuers = new Map(jwtIssuers.map((config) => [config.issuer, issuerOf(config, before.get(config.issuer))]));
    // By what they were believed may be gone.
    this.#seen.clear();
    const inUse = new Set([...this.#issuers.values()].map(({ keys }) => keys));
    for (const { keys } of before.values()) {
      if (inUse.has(keys)) inUse.delete(keys);
      else keys.stop();
    }
    for (const keys of inUse) keys.start();
  }

  /** Waits for no issuer: one that is away keeps nobody else waiting. */
  onModuleInit(): void {
    for (const { keys } of this.#issuers.values()) keys.start();
  }

  onModuleDestroy(): void {
    for (const { keys } of this.#issuers.values()) keys.stop();
  }

  /** The caller is the vault's, as it is now: what is changed or deleted there counts at once.
   *  @returns undefined if it is not to be believed, or speaks for nobody; at once, if it was seen before */
  authenticate(token: string): Caller | undefined | Promise<Caller | undefined> {
    if (!this.#mayBeRead(token)) return undefined;
    const id = idOf(token);
    const seen = this.#seenAs(id);
    return seen ? this.vault.findCaller(seen.callerName) : this.#firstSeen(id, token);
  }

  /** The same for a JWT that was seen before; undefined for any other. */
  findSeen(token: string): Caller | undefined {
    const seen = this.#mayBeRead(token) ? this.#seenAs(idOf(token)) : undefined;
    return seen && this.vault.findCaller(seen.callerName);
  }

  #mayBeRead(token: string): boolean {
    return token.length <= LONGEST_JWT && this.#issuers.size > 0;
  }

  #seenAs(id: string): SeenJwt | undefined {
    const seen = this.#seen.get(id);
    return seen && seen.validUntilMs > Date.now() && seen.generation === seen.keys.generation ? seen : undefined;
  }

  async #firstSeen(id: string, token: string): Promise<Caller | undefined> {
    const issuer = this.#issuers.get(issuerIn(token));
    if (!issuer) return undefined;
    const { config, keys } = issuer;
    // As it is before: should the keys change meanwhile, the JWT is verified once more.
    const { generation } = keys;
    try {
      const jwt = await verifyJwt(token, config, keys.find, Date.now());
      // By the rules of now, not of when it came.
      if (this.#issuers.get(config.issuer) !== issuer) return await this.#firstSeen(id, token);
      const callerName = callerNameOf(jwt, config.callers);
      if (callerName === undefined) return this.#refused(config, 'no_rule');
      this.#seen.set(id, { callerName, keys, generation, validUntilMs: jwt.validUntilMs });
      return this.vault.findCaller(callerName) ?? this.#refused(config, 'no_caller');
    } catch (error) {
      return this.#refused(
        config,
        codeOf(error),
        error instanceof errors.JWTClaimValidationFailed ? error.claim : undefined,
      );
    }
  }

  /** For whoever sets it up. Not louder, since anybody can send anything. */
  #refused({ issuer }: JwtIssuerConfig, reason: string, claim?: string): undefined {
    this.#log.debug({ event: 'jwt_refused', issuer, reason, claim });
  }
}

function issuerOf(config: JwtIssuerConfig, before: Issuer | undefined): Issuer {
  if (before && isDeepStrictEqual(before.config, config)) return before;
  const where = ({ jwksUrl, jwksCaFile, jwksTokenFile }: JwtIssuerConfig) => [jwksUrl, jwksCaFile, jwksTokenFile];
  const hasSameKeys = before && isDeepStrictEqual(where(before.config), where(config));
  return { config, keys: hasSameKeys ? before.keys : new JwksKeys(config) };
}

function idOf(token: string): string {
  return hash('sha256', token, 'base64');
}

/** Whom a JWT says that it is from, to be believed once it is verified. */
function issuerIn(token: string): unknown {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
