import slotOf from 'cluster-key-slot';
import { Cluster, type Redis } from 'ioredis';

import { type Clock, StoreAwayError } from '#token';

import { COMMAND_LIMIT_MS, commandConnection, type RedisClient, type RedisConnectionSettings } from './connection.js';
import { RedisKeys } from './keys.js';
import { RedisClock } from './redis-clock.js';
import { defineScripts, runScript, type ScriptName } from './scripts.js';

/** What a link tells whoever wired it. */
export type RedisLinkEvent =
  { readonly kind: 'away'; readonly reason: string } | { readonly kind: 'back'; readonly awayMs: number };

export interface RedisLinkParts {
  readonly settings: RedisConnectionSettings;
  readonly keys: RedisKeys;
  /** Monotonic. */
  readonly clock: Clock;
  /** 0 inclusive to 1 exclusive; jitter only. */
  readonly random: () => number;
  readonly onEvent: (event: RedisLinkEvent) => void;
}

/** A Redis, or one master of a cluster, that failed a command. */
interface Outage {
  /** Since when, and when the last probe was sent that failed, on the replica's clock, in ms. */
  readonly sinceMs: number;
  confirmedAtMs: number;
  reason: string;
  /** Lies where the command failed: the probe writes beside it. */
  readonly key: string;
  /** What a replica finds when it starts: it has nothing to tell the store, unless that lasts. */
  readonly atStart: boolean;
}

/** Times in ms. */
const PROBE_EVERY = { least: 300, spread: 200 };
const CLOCK_CHECK_MS = 5_000;
const CLOSE_WITHIN_MS = 1_000;
const LONG_START_MS = 1_500;
/** Each is on a given shard with the share of its slots: so many find even a small one. */
const MOST_KEYS_TRIED = 10_000;

/**
 * The way to Redis: a deadline around each command, and a breaker for each master. One failure opens it: from then on
 * every call fails at once, while a probe asks now and then whether the master takes writes again.
 */
export class RedisLink {
  readonly client: RedisClient;
  readonly #outages = new Map<string, Outage>();
  readonly #listeners = new Set<(news: 'back' | 'stale') => void>();
  readonly #timers = new Set<(tookMs: number) => void>();
  readonly #ready: Promise<void>;
  /** Each master has a clock of its own. */
  readonly #clocks = new Map<string, RedisClock>();
  #closed = false;

  constructor(private readonly parts: RedisLinkParts) {
    const { settings, clock, keys } = parts;
    const now = clock.now();
    const [key] = keys.labels;
    const atStart: Outage = { sinceMs: now, confirmedAtMs: now, reason: 'not connected yet', key, atStart: true };
    this.client = commandConnection(settings);
    defineScripts(this.client);
    // What the commands that fail do not say: why there is no connection.
    this.client.on('error', (error: unknown) => {
      for (const outage of this.#outages.values()) outage.reason = reasonOf(error);
    });
    const shard = this.#shardOf(atStart.key);
    this.#outages.set(shard, atStart);
    this.#probeLater(shard, atStart);
    this.#noticeClosing();
    this.client.on('end', () => this.#connectAgainLater());
    this.#ready = new Promise((resolve) => {
      this.client.on('ready', () => {
        for (const each of this.#outages) void this.#probe(...each).then(resolve);
      });
    });
    this.#checkClockLater();
  }

  get keys(): RedisKeys {
    return this.parts.keys;
  }

  /** Resolves when Redis was reached for the first time, or after `limitMs`. */
  async ready(limitMs: number): Promise<void> {
    await Promise.race([this.#ready, this.pause(limitMs)]);
  }

  /** What fails now, and since when on the replica's clock; empty if nothing does. */
  get outages(): readonly Pick<Outage, 'sinceMs' | 'reason'>[] {
    return [...this.#outages.values()];
  }

  /** Calls `listener` when Redis is back, or has set its clock back (`stale`), until the function returned is called. */
  subscribe(listener: (news: 'back' | 'stale') => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` with the time that each command has taken, in ms, whether it was answered or not. */
  onCommand(listener: (tookMs: number) => void): void {
    this.#timers.add(listener);
  }

  /** Runs a script. Its keys stand first in `args`, all in the slot of the first one.
   *  @throws StoreAwayError */
  run(name: ScriptName, ...args: readonly [string, ...(string | number)[]]): Promise<unknown> {
    return this.call(args[0], (client) => runScript(client, name, ...args));
  }

  /** Sends a command that goes to where `key` lies.
   *  @throws StoreAwayError */
  async call<T>(key: string, command: (client: RedisClient) => Promise<T>): Promise<T> {
    const shard = this.#shardOf(key);
    const outage = this.#outages.get(shard);
    if (outage) throw new StoreAwayError(outage.sinceMs, outage.confirmedAtMs, outage.reason);
    const sinceMs = this.parts.clock.now();
    try {
      return await this.#withDeadline(command(this.client));
    } catch (error) {
      const reason = reasonOf(error);
      this.#lose(shard, { sinceMs, confirmedAtMs: sinceMs, reason, key, atStart: false });
      throw new StoreAwayError(sinceMs, sinceMs, reason);
    } finally {
      for (const listener of this.#timers) listener(this.parts.clock.now() - sinceMs);
    }
  }

  /** The same for what may be refused without anything being wrong with Redis.
   *  @returns undefined if it is */
  async ask<T>(key: string, command: (client: RedisClient) => Promise<T>): Promise<T | undefined> {
    if (this.#outages.has(this.#shardOf(key))) return undefined;
    return this.#withDeadline(command(this.client)).catch(() => undefined);
  }

  /** Life that a token has left, in ms, if Redis tells so. At worst too little.
   *  @param key where the token lies
   *  @param askedAtMs on the replica's clock, before Redis was asked */
  lifeLeft(
    key: string,
    told: { readonly remainingMs: number; readonly lifeMs: number; readonly redisNowMs: number },
    askedAtMs: number,
  ): number {
    this.#noticeClock(key, told.redisNowMs, askedAtMs);
    return this.#clockOf(key).leftOf(told.remainingMs, told.lifeMs);
  }

  /** The node to ask what no key stands in: its settings, its replicas. */
  masterOf(key: string): RedisClient {
    if (!(this.client instanceof Cluster)) return this.client;
    const shard = this.#shardOf(key);
    return this.client.nodes('master').find((node) => addressOf(node) === shard) ?? this.client;
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.parts.clock.schedule(ms, resolve));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.race([this.client.quit().catch(() => {}), this.pause(CLOSE_WITHIN_MS)]);
    this.client.disconnect();
  }

  /** The master that holds a key, as a cluster knows it; the one Redis otherwise. */
  #shardOf(key: string): string {
    return this.client instanceof Cluster ? (this.client.slots[slotOf(key)]?.[0] ?? '') : '';
  }

  /** A connection that closes may mean that Redis has restarted without its data, though no command has failed. */
  #noticeClosing(): void {
    const lose = (shard: string) => () => {
      const now = this.parts.clock.now();
      const key = this.#keyOn(shard);
      if (key === undefined) return;
      this.#lose(shard, { sinceMs: now, confirmedAtMs: now, reason: 'connection closed', key, atStart: false });
    };
    if (this.client instanceof Cluster) {
      this.client.on('+node', (node: Redis) => {
        node.on('close', lose(addressOf(node)));
      });
    } else {
      this.client.on('close', lose(''));
    }
  }

  /** ioredis gives up for good when Sentinel announces a new master while it is asking for one. */
  #connectAgainLater(): void {
    if (this.#closed) return;
    this.parts.clock.schedule(PROBE_EVERY.least, () => {
      // If that fails it ends again, or tries again by itself.
      if (!this.#closed && this.client.status === 'end') this.client.connect().catch(() => {});
    });
  }

  /** A key that lies on a shard, to probe it with; undefined if no slot is its. */
  #keyOn(shard: string): string | undefined {
    for (let i = 0; i < MOST_KEYS_TRIED; i += 1) {
      const key = `${this.keys.prefix}{probe:${i}}`;
      if (this.#shardOf(key) === shard) return key;
    }
    return undefined;
  }

  #lose(shard: string, outage: Outage): void {
    if (this.#closed || this.#outages.has(shard)) return;
    this.#outages.set(shard, outage);
    this.parts.onEvent({ kind: 'away', reason: outage.reason });
    this.#probeLater(shard, outage);
  }

  #probeLater(shard: string, outage: Outage): void {
    this.parts.clock.schedule(PROBE_EVERY.least + PROBE_EVERY.spread * this.parts.random(), () => {
      if (this.#outages.get(shard) === outage && !this.#closed) void this.#probe(shard, outage, true);
    });
  }

  /** By a write: a master out of memory answers reads, and a demoted one as well. */
  async #probe(shard: string, outage: Outage, again = false): Promise<void> {
    const askedAtMs = this.parts.clock.now();
    try {
      await this.#withDeadline(this.client.set(this.keys.probe(outage.key), 1, 'PX', 1_000));
    } catch {
      outage.confirmedAtMs = askedAtMs;
      if (again) this.#probeLater(shard, outage);
      return;
    }
    if (this.#outages.get(shard) !== outage) return;
    this.#outages.delete(shard);
    if (outage.atStart) void this.#checkClock();
    const awayMs = this.parts.clock.now() - outage.sinceMs;
    this.parts.onEvent({ kind: 'back', awayMs });
    if (!outage.atStart || awayMs > LONG_START_MS) this.#tell('back');
  }

  #checkClockLater(): void {
    this.parts.clock.schedule(CLOCK_CHECK_MS, () => {
      if (this.#closed) return;
      void this.#checkClock().finally(() => this.#checkClockLater());
    });
  }

  async #checkClock(): Promise<void> {
    const askedAtMs = this.parts.clock.now();
    // If Redis is away, there will be other news.
    const now = await this.run('time', this.keys.labels[0]).catch(() => undefined);
    if (typeof now === 'number') this.#noticeClock(this.keys.labels[0], now, askedAtMs);
  }

  /** An answer that came while this process was busy still counts: sockets are read before the deadline strikes. */
  async #withDeadline<T>(answer: Promise<T>): Promise<T> {
    let cancel = (): void => {};
    const deadline = new Promise<never>((_, reject) => {
      const strike = () => setImmediate(() => reject(new Error(TIME_LIMIT)));
      cancel = this.parts.clock.schedule(COMMAND_LIMIT_MS, strike);
    });
    try {
      return await Promise.race([answer, deadline]);
    } finally {
      cancel();
    }
  }

  /** If Redis' clock was set back, replicas must put right what it thinks of the tokens that they hold. */
  #noticeClock(key: string, redisNowMs: number, askedAtMs: number): void {
    if (this.#clockOf(key).notice(redisNowMs, askedAtMs)) this.#tell('stale');
  }

  #clockOf(key: string): RedisClock {
    const shard = this.#shardOf(key);
    const known = this.#clocks.get(shard) ?? new RedisClock(this.parts.clock);
    this.#clocks.set(shard, known);
    return known;
  }

  #tell(news: 'back' | 'stale'): void {
    for (const listener of this.#listeners) listener(news);
  }
}

function addressOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`;
}

const TIME_LIMIT = `no answer within ${COMMAND_LIMIT_MS} ms`;

/** What may be shown of an error: the code that Redis' answers begin with, or that of the connection's failure. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unexpected error';
  const { message } = error;
  if (message === TIME_LIMIT) return message;
  const [word = ''] = /^[A-Z]{3,20}\b/.exec(message) ?? [];
  return word || ('code' in error ? String(error.code) : 'the connection is closed');
}
