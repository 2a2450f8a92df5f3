import type { Entry } from './entry.js';
import type { TokenPolicy } from './policy.js';

export const KEY_STATES = ['fresh', 'expiring', 'dead', 'refreshing', 'failing'] as const;
/** `dead`: no token, or less life than the safety margin. `refreshing` and `failing` whether there is one or not. */
export type KeyState = (typeof KEY_STATES)[number];

/** What one replica holds in memory, in numbers. */
export interface Overview {
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

export function overviewOf(entries: Iterable<Known>, { safetyMarginMs }: TokenPolicy, now: number): Overview {
  const states: Record<KeyState, number> = { fresh: 0, expiring: 0, dead: 0, refreshing: 0, failing: 0 };
  const shortestLifeMs = new Map<string, number>();
  for (const entry of entries) {
    const { held, asked, key } = entry;
    states[stateOf(entry, safetyMarginMs, now)] += 1;
    if (!held || !asked) continue;
    const { environment } = key.subject;
    const lifeMs = Math.max(0, held.expiresAtMs - now);
    shortestLifeMs.set(environment, Math.min(lifeMs, shortestLifeMs.get(environment) ?? Infinity));
  }
  return { states, shortestLifeMs };
}

function stateOf({ held, failure, flight }: Known, safetyMarginMs: number, now: number): KeyState {
  if (flight !== undefined) return 'refreshing';
  if (failure && failure.untilMs > now) return 'failing';
  if (!held || held.expiresAtMs - now < safetyMarginMs) return 'dead';
  return now < held.refreshAtMs ? 'fresh' : 'expiring';
}
