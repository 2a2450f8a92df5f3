import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';

import {
  BoardAwayError,
  type BoardEvent,
  type ClusterBoard,
  NEWS_WAITS_MS,
  paceOf,
  type Sightings,
  untilNextMs,
} from '#cluster';

import { REPLICA_NAME } from '../config/replica-name.js';
import { systemClock } from '../config/system-clock.js';
import { Drain } from '../http/drain.js';
import { EventTail, TAIL } from './event-tail.js';
import { OwnEvents } from './own-events.js';
import { OwnReport } from './own-report.js';

export const CLUSTER_BOARD = Symbol('CLUSTER_BOARD');

/** In ms. */
const AVERAGE_OVER_MS = 60_000;
/** Events that wait to be told. */
const MOST_PENDING = 200;
/** Pages of events read at once: the rest with the next report. */
const MOST_PAGES = 5;

/** Tells the other replicas what this one is about, as often as pace.ts says, and hears of them. No request waits for it. */
@Injectable()
export class Reporter implements OnApplicationShutdown {
  readonly tail = new EventTail();
  readonly #log = new Logger('status');
  readonly #listeners = new Set<() => void>();
  readonly #latencies: { readonly atMs: number; readonly tookMs: number }[] = [];
  #pending: { readonly event: BoardEvent; readonly atMs: number }[] = [];
  #seen: Sightings = { replicas: [], isCurrent: false };
  #seenAtMs = systemClock.now();
  #cursor: string | undefined;
  #telling: Promise<void> | undefined;
  #isToldMore = false;
  #pace = paceOf([]);
  #toldAtMs = -Infinity;
  #nextAtMs = Infinity;
  #cancelNext = () => {};
  #hasLeft = false;
  #hasFailed = false;

  constructor(
    @Inject(CLUSTER_BOARD) private readonly board: ClusterBoard,
    private readonly report: OwnReport,
    private readonly events: OwnEvents,
    drain: Drain,
  ) {
    this.#tellIn(untilNextMs(this.#pace, Math.random()));
    events.onEvent = (event) => this.#keep(event);
    report.onNews(() => this.#tellSoon());
    drain.onBegin(() => void this.tellNow());
  }

  /** All replicas, as they were seen last, with the time since. */
  get seen(): Sightings {
    const passedMs = systemClock.now() - this.#seenAtMs;
    const { replicas, isCurrent } = this.#seen;
    return { replicas: replicas.map(({ report, agoMs }) => ({ report, agoMs: agoMs + passedMs })), isCurrent };
  }

  /** Calls `listener` whenever something was heard. */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** One report at a time: what is asked for meanwhile is told by one more. */
  tellNow(): Promise<void> {
    this.#isToldMore = true;
    this.#telling ??= this.#tellAll().finally(() => (this.#telling = undefined));
    return this.#telling;
  }

  /** After the last request has been answered. */
  async onApplicationShutdown(): Promise<void> {
    // What has happened since the last report, if anybody is there to hear of it.
    if (this.#seen.isCurrent) await this.tellNow();
    this.#hasLeft = true;
    this.#cancelNext();
    await this.#telling;
    await this.board.leave(REPLICA_NAME).catch((error: unknown) => this.#noteFailure(error));
  }

  async #tellAll(): Promise<void> {
    while (this.#isToldMore && !this.#hasLeft) {
      this.#isToldMore = false;
      try {
        await this.#tell();
        await this.#readEvents();
        this.#hasFailed = false;
      } catch (error) {
        this.#noteFailure(error);
      }
      for (const listener of this.#listeners) listener();
    }
  }

  async #tell(): Promise<void> {
    const now = systemClock.now();
    this.#pace = paceOf(this.#seen.replicas.map((each) => each.report));
    this.events.mostRefreshes = this.#pace.refreshesPerMinute;
    this.#toldAtMs = now;
    this.#nextAtMs = Infinity;
    this.#tellIn(untilNextMs(this.#pace, Math.random()));
    const events = this.#pending.map(({ event, atMs }) => ({ event, agoMs: now - atMs }));
    this.#pending = [];
    const report = { ...this.report.of(this.#seen.replicas, this.#storeMs()), everyMs: this.#pace.everyMs };
    this.#seen = await this.board.tell({ report, counts: [{ ...this.report.takeCounts(), minutesAgo: 0 }], events });
    this.#seenAtMs = systemClock.now();
    // Read back from a board, events are in the same order everywhere: so a stream goes on on any replica.
    if (!this.#seen.isCurrent) for (const { event, agoMs } of events) this.tail.add(event, Date.now() - agoMs);
    if (this.#seen.isCurrent) this.#latencies.push({ atMs: now, tookMs: this.#seenAtMs - now });
  }

  async #readEvents(): Promise<void> {
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { events, cursor } = await this.board.eventsAfter(this.#cursor, TAIL);
      const now = Date.now();
      for (const { event, agoMs } of events) this.tail.add(event, now - agoMs);
      this.#cursor = cursor;
      if (events.length < TAIL) return;
    }
  }

  #keep(event: BoardEvent): void {
    this.#pending = [...this.#pending, { event, atMs: systemClock.now() }].slice(-MOST_PENDING);
    this.#tellSoon();
  }

  #tellSoon(): void {
    this.#tellIn(Math.max(NEWS_WAITS_MS, this.#toldAtMs + this.#pace.soonMs - systemClock.now()));
  }

  /** Unless it is told before that. */
  #tellIn(ms: number): void {
    const atMs = systemClock.now() + ms;
    if (atMs >= this.#nextAtMs || this.#hasLeft) return;
    this.#cancelNext();
    this.#nextAtMs = atMs;
    this.#cancelNext = systemClock.schedule(ms, () => void this.tellNow());
  }

  /** Of the last minute's reports, which are commands like any other; null without a shared store. */
  #storeMs(): number | null {
    const oldestMs = systemClock.now() - AVERAGE_OVER_MS;
    while ((this.#latencies[0]?.atMs ?? Infinity) < oldestMs) this.#latencies.shift();
    if (this.#latencies.length === 0) return null;
    return this.#latencies.reduce((sum, { tookMs }) => sum + tookMs, 0) / this.#latencies.length;
  }

  /** The link has said already that Redis is away. Anything else is a fault of ours, and said once. */
  #noteFailure(error: unknown): void {
    if (error instanceof BoardAwayError || this.#hasFailed) return;
    this.#hasFailed = true;
    this.#log.error({ event: 'internal_error', error });
  }
}
