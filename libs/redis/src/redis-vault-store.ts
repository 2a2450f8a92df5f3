import { StoreAwayError } from '#token';
import { type Change, type SealedRecord, VaultError, type VaultStore } from '#vault';

import type { RedisClient } from './connection.js';
import type { RedisLink } from './redis-link.js';

/** How long a write waits for a replica of Redis, in ms. */
const ACKNOWLEDGED_WITHIN_MS = 100;

/** How often, and how long apart in ms, Redis is asked what became of a write whose answer was lost. */
const LOOKS = 15;
const LOOK_EVERY_MS = 200;

/** What is not as it should be, and does not stop anything: for the log. */
export type RedisVaultWarning = 'not_persistent' | 'write_not_acknowledged';

/** Sealed records in one hash of Redis, shared by all replicas: `name` → `version sealed`. */
export class RedisVaultStore implements VaultStore {
  readonly description = 'the vault in Redis';

  constructor(
    private readonly link: RedisLink,
    private readonly onWarning: (warning: RedisVaultWarning) => void,
  ) {}

  /** Whether this Redis may hold credentials. To be asked at the start; in a cluster of the master that would hold them.
   *  @throws VaultError `unreadable` if it could drop them when its memory runs out */
  async check(): Promise<void> {
    const info = await this.#info();
    const [, policy = ''] = /^maxmemory_policy:(\S+)/m.exec(info) ?? [];
    // Without a limit nothing is dropped; "volatile" policies drop only what has a time to live, which the vault has not.
    if (/^maxmemory:[1-9]/m.test(info) && policy.startsWith('allkeys')) {
      const advice = 'set maxmemory-policy to noeviction, or give the vault a Redis of its own';
      throw new VaultError(
        'unreadable',
        `${this.description} could be dropped by it (maxmemory-policy ${policy}): ${advice}`,
      );
    }
    if (!/^aof_enabled:1/m.test(info) && !(await this.#savesSnapshots())) this.onWarning('not_persistent');
  }

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
    const args = changes.flatMap(({ name, expectedVersion, version, sealed = '' }) => [
      name,
      expectedVersion,
      version,
      sealed,
    ]);
    const stale = await this.link
      .run('write-vault', this.link.keys.vault, ...args)
      .catch((error: unknown) => this.#afterAll(changes, error));
    if (stale !== '') throw new VaultError('conflict', `${String(stale)} was changed by somebody else`);
    if (!(await this.#isAcknowledged())) this.onWarning('write_not_acknowledged');
  }

  /** The answer to a write was lost. All of it is in Redis or none, and as soon as Redis is back we know which.
   *  @returns what the write would have answered, had it been heard
   *  @throws VaultError `unwritable` */
  async #afterAll([first]: readonly Change[], error: unknown): Promise<string> {
    const { vault } = this.link.keys;
    if (!first) throw error;
    for (let look = 0; look < LOOKS; look += 1) {
      await this.link.pause(LOOK_EVERY_MS);
      const found = await this.link.ask(vault, async (redis) => (await redis.hget(vault, first.name)) ?? '');
      if (found === undefined) continue;
      const written = first.sealed === undefined ? '' : `${first.version} ${first.sealed}`;
      if (found === written) return '';
      throw new VaultError(
        'unwritable',
        `Redis was lost in the middle of it: nothing was written to ${this.description}`,
      );
    }
    const doubt = `${this.description} is away, and does not say whether it was written: look before you repeat it`;
    throw asVaultError(error, 'unwritable', doubt);
  }

  async #info(): Promise<string> {
    try {
      return await this.link.call(this.link.keys.vault, () => this.#master.info());
    } catch (error) {
      throw asVaultError(error, 'unreadable', `${this.description} cannot be read`);
    }
  }

  /** Not every user may ask; who may not is taken to know. */
  async #savesSnapshots(): Promise<boolean> {
    const { vault } = this.link.keys;
    const saves = await this.link.ask(vault, () => this.#master.config('GET', 'save'));
    return !(Array.isArray(saves) && saves[1] === '');
  }

  /** Whether a replica of Redis has the last write as well, where there is one. */
  async #isAcknowledged(): Promise<boolean> {
    const { vault } = this.link.keys;
    const replicated = await this.link.ask(vault, async () => {
      const master = this.#master;
      const isAlone = /^connected_slaves:0/m.test(await master.info('replication'));
      return isAlone || (await master.wait(1, ACKNOWLEDGED_WITHIN_MS)) > 0;
    });
    return replicated === true;
  }

  get #master(): RedisClient {
    return this.link.masterOf(this.link.keys.vault);
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
