import { Logger } from '@nestjs/common';
import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';

import type { JwtIssuerConfig } from '../config/broker-config.js';
import { codeOf } from '../config/secrets.js';
import { systemClock } from '../config/system-clock.js';
import { fetchJwks, JwksError } from './jwks-fetch.js';

/** How long a key that its issuer has removed may go on being accepted, in ms. */
const REFRESH_EVERY_MS = 300_000;
/** Limit of one fetch, in ms. */
const TIME_LIMIT_MS = 3_000;
/** Between two fetches for keys that are not known, in ms: whoever makes keys up must not have us flood the issuer. */
const COOLDOWN_MS = 30_000;
/** The same after a failure. It doubles with each, up to COOLDOWN_MS. */
const FIRST_RETRY_MS = 5_000;

/**
 * The keys of an issuer, as they were when they could last be fetched: while its URL is away, they go on counting
 * without end. Not jose's own remote set: that forgets its keys after a while, and heeds no pause after a failure.
 */
export class JwksKeys {
  readonly #log = new Logger('jwt');
  #keys = createLocalJWKSet({ keys: [] });
  #body: string | undefined;
  #generation = 0;
  #fetching: Promise<void> | undefined;
  #failures = 0;
  #askAgainAtMs = -Infinity;
  #cancelRefresh = () => {};
  #stopped = false;

  constructor(
    private readonly issuer: JwtIssuerConfig,
    private readonly clock = systemClock,
    private readonly fetchBody = fetchJwks,
  ) {}

  /** Grows with each change of the keys: what was believed before has to be looked at again. */
  get generation(): number {
    return this.#generation;
  }

  /** Fetches the keys now and every few minutes, in the background. */
  start(): void {
    void this.#refresh();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRefresh();
  }

  /** Finds the key that a JWT names, and looks for it at the issuer if it is not known.
   *  @throws JOSEError `ERR_JWKS_NO_MATCHING_KEY` */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#lookAgain();
      return this.#keys(header, token);
    }
  };

  async #refresh(): Promise<void> {
    await this.#fetch();
    if (this.#stopped) return;
    this.#cancelRefresh = this.clock.schedule(REFRESH_EVERY_MS, () => void this.#refresh());
  }

  async #lookAgain(): Promise<void> {
    if (!this.#fetching) {
      const nowMs = this.clock.now();
      if (nowMs < this.#askAgainAtMs) return;
      this.#askAgainAtMs = nowMs + COOLDOWN_MS;
    }
    await this.#fetch();
  }

  /** Never fails, and never twice at once. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#fetchNow().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetchNow(): Promise<void> {
    const limit = new AbortController();
    const cancelLimit = this.clock.schedule(TIME_LIMIT_MS, () => limit.abort());
    try {
      this.#take(await this.fetchBody(this.issuer, limit.signal));
    } catch (error) {
      this.#askAgainAtMs = this.clock.now() + Math.min(FIRST_RETRY_MS * 2 ** this.#failures, COOLDOWN_MS);
      this.#failures += 1;
      this.#log.warn({
        event: 'jwks_unreachable',
        issuer: this.issuer.issuer,
        reason: limit.signal.aborted ? 'timeout' : codeOf(error),
      });
    } finally {
      cancelLimit();
    }
  }

  #take(body: string): void {
    if (body !== this.#body) {
      this.#keys = keySetOf(body);
      this.#body = body;
      this.#generation += 1;
      const { length } = this.#keys.jwks().keys;
      this.#log.log({ event: 'jwks_changed', issuer: this.issuer.issuer, keys: length });
    } else if (this.#failures > 0) {
      this.#log.log({ event: 'jwks_back', issuer: this.issuer.issuer });
    }
    this.#failures = 0;
  }
}

function keySetOf(body: string) {
  try {
    return createLocalJWKSet(JSON.parse(body));
  } catch {
    throw new JwksError('no_key_set');
  }
}
