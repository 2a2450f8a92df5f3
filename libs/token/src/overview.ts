import type { Clock } from './clock.js';
import type { Entry } from './entry.js';
import type { TokenPolicy } from './policy.js';

export const KEY_STATES = ['fresh', 'expiring', 'dead', 'refreshing', 'failing'] as const;
/** `dead`: no token, or less life than the safety margin. `refreshing` and `failing` whether there is one or not. */
export type KeyState = (typeof KEY_STATES)[number];

/** What one replica holds in memory, in numbers. */
export interface Overview {
  /** When its count began, on the replica's clock. */
  readonly asOfMs: number;
  /** How many keys are in each state. */
  readonly states: Readonly<Record<KeyState, number>>;
  /** Life left of the token in use that has the least, in ms, by environment. In use is what was asked for since it came:
   *  what nobody asks for is left to run out. */
  readonly shortestLifeMs: ReadonlyMap<string, number>;
}

type Known = Pick<Entry, 'key' | 'held' | 'asked'> & {
  readonly failure: { readonly untilMs: number } | undefined;
  readonly flight: unknown;
};

export function overviewOf(entries: Iterable<Known>, policy: TokenPolicy, now: number): Overview {
  const tally = new Tally(policy, now);
  for (const entry of entries) tally.add(entry, now);
  return tally;
}

class Tally implements Overview {
  readonly states: Record<KeyState, number> = { fresh: 0, expiring: 0, dead: 0, refreshing: 0, failing: 0 };
  readonly shortestLifeMs = new Map<string, number>();

  constructor(
    private readonly policy: TokenPolicy,
    readonly asOfMs: number,
  ) {}

  add(entry: Known, now: number): void {
    const { held, asked, key } = entry;
    this.states[stateOf(entry, this.policy.safetyMarginMs, now)] += 1;
    if (!held || !asked) return;
    const { environment } = key.subject;
    const lifeMs = Math.max(0, held.expiresAtMs - now);
    if (lifeMs < (this.shortestLifeMs.get(environment) ?? Infinity)) this.shortestLifeMs.set(environment, lifeMs);
  }
}

/** Keys counted in one go, which takes a quarter of a ms, and the pause until the next go, in ms. */
const AT_ONCE = 5_000;
const PAUSE_MS = 20;
/** Rest between two counts, in ms for each key counted: a thousandth of the time is spent on it. */
const REST_MS = 0.1;

/**
 * Counts all keys, and keeps nobody waiting for it: few of them when asked, many a part at a time. What it tells of
 * 100,000 keys is up to 11 s old.
 */
export class Census {
  #last: Overview | undefined;
  #nextAtMs = -Infinity;

  constructor(
    private readonly entries: ReadonlyMap<string, Known>,
    private readonly policy: TokenPolicy,
    private readonly clock: Clock,
  ) {}

  get overview(): Overview {
    const now = this.clock.now();
    if (!this.#last || (now >= this.#nextAtMs && this.entries.size <= AT_ONCE)) {
      this.#finish(overviewOf(this.entries.values(), this.policy, now));
    } else if (now >= this.#nextAtMs) {
      this.#nextAtMs = Infinity;
      this.#count(new Tally(this.policy, now), this.entries.values());
    }
    return this.#last ?? overviewOf([], this.policy, now);
  }

  /** A map may change while somebody walks through it. */
  #count(tally: Tally, rest: Iterator<Known>): void {
    const now = this.clock.now();
    for (let i = 0; i < AT_ONCE; i += 1) {
      const next = rest.next();
      if (next.done) {
        this.#finish(tally);
        return;
      }
      tally.add(next.value, now);
    }
    this.clock.schedule(PAUSE_MS, () => this.#count(tally, rest));
  }

  #finish(overview: Overview): void {
    this.#last = overview;
    this.#nextAtMs = this.clock.now() + Math.floor(REST_MS * this.entries.size);
  }
}

function stateOf({ held, failure, flight }: Known, safetyMarginMs: number, now: number): KeyState {
  if (flight !== undefined) return 'refreshing';
  if (failure && failure.untilMs > now) return 'failing';
  if (!held || held.expiresAtMs - now < safetyMarginMs) return 'dead';
  return now < held.refreshAtMs ? 'fresh' : 'expiring';
}
