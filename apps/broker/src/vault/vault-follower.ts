import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Optional,
} from '@nestjs/common';

import { StoreAwayError } from '#token';
import { Vault, VaultError, type VaultErrorCode } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import { systemClock } from '../config/system-clock.js';
import { SharedRedis } from '../redis/shared-redis.js';

/** How often the vault is looked at without a message, in ms. Mounted files change without any. */
const LOOK_EVERY_MS = { file: 30_000, redis: 30_000, directory: 1_500 };

/** Keeps this replica's vault like the others': tells them of its changes, and takes theirs over. */
@Injectable()
export class VaultFollower implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #log = new Logger('vault');
  readonly #ends: (() => void)[] = [];
  #isLooking = false;
  #isToldMore = false;
  #agreedAtMs = systemClock.now();
  #failure: VaultErrorCode | undefined;
  /** Records of a newer version that the log has named. */
  #named = new Set<string>();

  constructor(
    private readonly vault: Vault,
    { vaultStore }: BrokerConfig,
    @Optional() @Inject(SharedRedis) private readonly shared: SharedRedis | undefined,
  ) {
    const timer = setInterval(() => void this.follow(), LOOK_EVERY_MS[vaultStore]).unref();
    this.#ends.push(() => clearInterval(timer));
    this.#ends.push(vault.onChange((by) => by === 'us' && void this.#tell()));
    if (!shared) return;
    this.#ends.push(
      shared.bus.subscribe(({ kind }) => (kind === 'credentials' || kind === 'resumed') && void this.follow()),
    );
  }

  /** Since this replica's copy was last seen to be what is stored, in ms. */
  get ageMs(): number {
    return systemClock.now() - this.#agreedAtMs;
  }

  /** Why the last look at the store came to nothing; undefined if it did not. */
  get failure(): VaultErrorCode | undefined {
    return this.#failure;
  }

  /** Not before: until then nobody hears the log. */
  onApplicationBootstrap(): void {
    this.#nameNewer();
    this.#ends.push(this.vault.onChange(() => this.#nameNewer()));
  }

  onApplicationShutdown(): void {
    for (const end of this.#ends) end();
  }

  /** Takes over what is stored. One look at a time: what is told meanwhile is seen by one more. */
  async follow(): Promise<void> {
    this.#isToldMore = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#isToldMore) {
        this.#isToldMore = false;
        await this.#look();
      }
    } finally {
      this.#isLooking = false;
    }
  }

  async #look(): Promise<void> {
    try {
      await this.vault.reload();
      this.#agreedAtMs = systemClock.now();
      this.#failure = undefined;
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      // What is in memory goes on being served.
      this.#failure = error.code;
      this.#log.error({ event: 'vault_unreadable', code: error.code, reason: error.message });
    }
  }

  /** Records that a newer version wrote are missing here, and that is as it should be while both run. */
  #nameNewer(): void {
    for (const [record, { message }] of this.vault.newer) {
      if (!this.#named.has(record)) this.#log.warn({ event: 'record_newer', record, reason: message });
    }
    this.#named = new Set(this.vault.newer.keys());
  }

  async #tell(): Promise<void> {
    const news = this.shared?.link.keys.news;
    if (news === undefined) return;
    try {
      await this.shared?.link.call(news, (redis) => redis.publish(news, 'credentials'));
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
      // They look by themselves before long.
    }
  }
}
