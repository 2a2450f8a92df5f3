import { Inject, Injectable, Logger } from '@nestjs/common';

import { type ClusterBoard, isHeard, type PastMinute, type Sighting, type Status, type StatusNow } from '#cluster';

import { REPLICA_NAME } from '../config/replica-name.js';
import { systemClock } from '../config/system-clock.js';
import { Breakers } from './breakers.js';
import { KeyCounter } from './key-counter.js';
import { CLUSTER_BOARD, Reporter } from './reporter.js';
import { statusDocument } from './status-document.js';
import { Stores } from './stores.js';
import { upstreamFacts } from './upstream-status.js';

/** How old what is read besides the reports may be, in ms. */
const READ_EVERY_MS = 1_000;
/** Listeners are told as often at most, and at least, in ms. Of many replicas each reports more seldom than that. */
const TELL_EVERY_MS = 500;
const TELL_AT_LEAST_MS = 1_500;

/** Everything an operator sees of the cluster, told by this replica. With Redis away: what it knows, and what it saw. */
@Injectable()
export class StatusBoard {
  readonly #log = new Logger('status');
  readonly #listeners = new Set<(status: StatusNow) => void>();
  #minutes: readonly PastMinute[] = [];
  #reading: Promise<void> | undefined;
  #readAtMs = -Infinity;
  #hasFailed = false;
  #isTelling = false;
  #cancelNext = () => {};

  constructor(
    @Inject(CLUSTER_BOARD) private readonly board: ClusterBoard,
    private readonly reporter: Reporter,
    private readonly keys: KeyCounter,
    private readonly breakers: Breakers,
    private readonly stores: Stores,
  ) {
    reporter.subscribe(() => void this.#tell());
  }

  /** Read anew if it is older than a second. Waits for what takes time, never longer than a moment; cannot fail. */
  async current(): Promise<Status> {
    const now = await this.now();
    return { ...now, events: this.reporter.tail.newestFirst };
  }

  /** The same without the past. */
  async now(): Promise<StatusNow> {
    await Promise.all([this.keys.watch(), this.#read()]);
    return this.#document();
  }

  /** Calls `listener` about each second until the function returned is called. */
  subscribe(listener: (status: StatusNow) => void): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#tellLater();
    return () => this.#listeners.delete(listener);
  }

  /** How many replicas are seen alive; undefined while nobody knows. */
  replicasAlive(): number | undefined {
    const { replicas, isCurrent } = this.reporter.seen;
    return isCurrent ? replicas.filter(isHeard).length : undefined;
  }

  /** At most twice a second: whoever looks sees no difference, and each time costs. */
  async #tell(): Promise<void> {
    if (this.#listeners.size === 0 || this.#isTelling) return;
    this.#isTelling = true;
    const sinceMs = systemClock.now();
    await this.#quietly(async () => {
      const status = await this.now();
      for (const listener of this.#listeners) listener(status);
    });
    this.#tellLater();
    systemClock.schedule(Math.max(0, sinceMs + TELL_EVERY_MS - systemClock.now()), () => {
      this.#isTelling = false;
    });
  }

  #tellLater(): void {
    this.#cancelNext();
    this.#cancelNext = systemClock.schedule(TELL_AT_LEAST_MS, () => void this.#tell());
  }

  #read(): Promise<void> {
    if (this.#reading) return this.#reading;
    if (systemClock.now() - this.#readAtMs < READ_EVERY_MS) return Promise.resolve();
    this.#readAtMs = systemClock.now();
    this.#reading = this.#readAll().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    const minutes = async () => void (this.#minutes = await this.board.minutes());
    // A replica that was just started has told nobody of itself yet.
    const seen = async () => void (this.reporter.seen.replicas.length === 0 && (await this.reporter.tellNow()));
    await Promise.all([seen, minutes, () => this.breakers.read()].map((read) => this.#quietly(read)));
  }

  /** What cannot be read stays as it was. That the store is away is known; anything else is said once. */
  async #quietly(read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!this.#hasFailed) this.#log.error({ event: 'internal_error', error });
      this.#hasFailed = true;
    }
  }

  #document(): StatusNow {
    const nowMs = Date.now();
    const { replicas } = this.reporter.seen;
    return statusDocument({
      nowMs,
      answeredBy: REPLICA_NAME,
      replicas,
      upstreams: this.breakers.environments.map((each) => upstreamFacts(each, replicas, this.breakers.of(each), nowMs)),
      stores: this.stores.states(latencyOf(replicas)),
      oldSecrets: this.stores.oldSecrets,
      vault: this.stores.vaultState,
      keys: this.keys.counts,
      minutes: this.#minutes,
    });
  }
}

/** As all replicas find it, in ms with one decimal. */
function latencyOf(replicas: readonly Sighting[]): number | null {
  const known = replicas.flatMap(({ report: { storeMs } }) => storeMs ?? []);
  return known.length === 0 ? null : Math.round((10 * known.reduce((sum, ms) => sum + ms, 0)) / known.length) / 10;
}
