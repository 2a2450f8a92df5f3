import type { Redis } from 'ioredis';

import type { Clock, StoreMessage } from '#token';

import { messageConnection, type RedisConnectionSettings } from './connection.js';

/** `credentials`: the vault was changed. `resumed`: messages may have been lost. */
export type BusMessage = StoreMessage | { readonly kind: 'credentials' } | { readonly kind: 'resumed' };

/** Times in ms. A connection that is half open would live for a quarter of an hour. */
const PING_EVERY_MS = 3_000;
const PONG_WITHIN_MS = 1_500;
const CONNECT_WITHIN_MS = 2_000;
const PAUSE = { firstMs: 50, maxMs: 1_000 };

/** The one channel on which replicas tell each other what changed: kind, generation and id. Never a token. */
export class Bus {
  readonly #listeners = new Set<(message: BusMessage) => void>();
  readonly #ready: Promise<void>;
  #connection: Redis | undefined;
  #onSubscribed = (): void => {};
  #attempt = 0;
  #wasConnected = false;
  #closed = false;

  constructor(
    private readonly settings: RedisConnectionSettings,
    private readonly channel: string,
    private readonly clock: Clock,
  ) {
    this.#ready = new Promise((resolve) => (this.#onSubscribed = resolve));
    void this.#connect();
  }

  /** Resolves when it listens for the first time, or after `limitMs`. */
  async ready(limitMs: number): Promise<void> {
    await Promise.race([this.#ready, new Promise<void>((resolve) => void this.clock.schedule(limitMs, resolve))]);
  }

  subscribe(listener: (message: BusMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#connection?.disconnect();
  }

  async #connect(): Promise<void> {
    if (this.#closed) return;
    const connection = messageConnection(this.settings, this.#attempt);
    this.#attempt += 1;
    this.#connection = connection;
    connection.on('error', () => {});
    connection.on('message', (_: string, text: string) => this.#receive(text));
    connection.once('end', () => this.#reconnectLater());
    // A master that hangs takes connections, and never says another word.
    const giveUp = this.clock.schedule(CONNECT_WITHIN_MS, () => connection.disconnect());
    try {
      await connection.connect();
      await connection.subscribe(this.channel);
    } catch {
      connection.disconnect();
      return;
    } finally {
      giveUp();
    }
    this.#attempt = 0;
    if (this.#wasConnected) this.#tell({ kind: 'resumed' });
    this.#wasConnected = true;
    this.#onSubscribed();
    this.#pingLater(connection);
  }

  #reconnectLater(): void {
    const pauseMs = Math.min(PAUSE.firstMs * 2 ** this.#attempt, PAUSE.maxMs);
    this.clock.schedule(pauseMs, () => void this.#connect());
  }

  #pingLater(connection: Redis): void {
    this.clock.schedule(PING_EVERY_MS, () => {
      if (this.#connection !== connection || this.#closed) return;
      const giveUp = this.clock.schedule(PONG_WITHIN_MS, () => connection.disconnect());
      connection
        .ping()
        .then(() => this.#pingLater(connection))
        .catch(() => connection.disconnect())
        .finally(giveUp);
    });
  }

  #receive(text: string): void {
    const [kind, count, id] = text.split(' ');
    if (kind === 'credentials') this.#tell({ kind });
    const generation = Number(count);
    // Anything else is of another version.
    if (id === undefined || !Number.isSafeInteger(generation)) return;
    if (kind === 'token' || kind === 'failed' || kind === 'invalidated') this.#tell({ kind, id, generation });
  }

  #tell(message: BusMessage): void {
    for (const listener of this.#listeners) listener(message);
  }
}
