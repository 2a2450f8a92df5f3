import { Injectable, Logger } from '@nestjs/common';

import type { KeyCounts } from '#cluster';
import { type KeyState, StoreAwayError } from '#token';

import { systemClock } from '../config/system-clock.js';
import { TokenState } from '../token/token-state.js';
import { OwnKeys } from './own-keys.js';

/** Times in ms. */
const WATCHED_FOR_MS = 30_000;
const EVERY_MS = 5_000;
/** Counting is paid for by so much rest: 5 % of the time. */
const REST = 19;
/** How long the first answer waits for the first count. */
const FIRST_WITHIN_MS = 500;
/** Keys read at once: commands of others stand in line behind them. */
const PAGE = 50;

/** Counts all keys by state, as the shared store has them, while somebody looks. */
@Injectable()
export class KeyCounter {
  readonly #log = new Logger('status');
  #watchedUntilMs = -Infinity;
  #isCounting = false;
  #first: Promise<void> | undefined;
  #counts: KeyCounts | undefined;

  constructor(
    private readonly state: TokenState,
    private readonly own: OwnKeys,
  ) {}

  /** As counted last; or as this replica has them in memory, if nobody could count. */
  get counts(): KeyCounts {
    return this.#counts ?? shown(this.own.states);
  }

  /** Somebody looks: from now on there are counts, for a while.
   *  @returns when there is something to look at */
  watch(): Promise<void> {
    this.#watchedUntilMs = systemClock.now() + WATCHED_FOR_MS;
    if (!this.#isCounting) void this.#countOn();
    return Promise.race([this.#first, pause(FIRST_WITHIN_MS)]);
  }

  async #countOn(): Promise<void> {
    this.#isCounting = true;
    while (systemClock.now() < this.#watchedUntilMs) {
      const startedAtMs = systemClock.now();
      const counted = this.#count();
      this.#first ??= counted;
      await counted;
      await pause(Math.max(EVERY_MS, REST * (systemClock.now() - startedAtMs)));
    }
    this.#isCounting = false;
  }

  async #count(): Promise<void> {
    const states: Record<KeyState, number> = { fresh: 0, expiring: 0, dead: 0, refreshing: 0, failing: 0 };
    try {
      let after: string | undefined;
      do {
        const { items, next } = await this.state.list({ limit: PAGE, after });
        for (const report of items) states[this.state.stateOf(report)] += 1;
        after = next;
      } while (after !== undefined);
      this.#counts = shown(states);
    } catch (error) {
      // What was counted before stands, with its time.
      if (!(error instanceof StoreAwayError)) this.#log.error({ event: 'internal_error', error });
    }
  }
}

function shown(states: Readonly<Record<KeyState, number>>): KeyCounts {
  const { fresh, expiring, dead, refreshing, failing } = states;
  const total = fresh + expiring + dead + refreshing + failing;
  return { total, fresh, expiring, dead, refreshing, failing, counted_at: new Date().toISOString() };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void systemClock.schedule(ms, resolve));
}
