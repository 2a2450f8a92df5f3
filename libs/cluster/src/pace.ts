import type { ReplicaReport, Sighting } from './board.js';

/** Reports that all replicas make in a second, about: each costs the board as much as there are replicas. */
const REPORTS_PER_SECOND = 40;
/** Few replicas report each second, and this soon after news, in ms. */
const EVERY_MS = 1_000;
const SOON_MS = 100;
/** A report is believed for three times as long as the next one takes, and for this at least, in ms. */
const INTERVALS_BELIEVED = 3;
export const LEAST_TIME_TO_LIVE_MS = 5_000;

/** Refreshes that a replica tells one by one in a minute, if there are few replicas. */
const REFRESHES_PER_MINUTE = 30;

export interface Pace {
  /** From one report of a replica to its next one, on average, in ms. */
  readonly everyMs: number;
  /** With news, a report comes not sooner after the one before, in ms; nor sooner than `NEWS_WAITS_MS` after the news. */
  readonly soonMs: number;
  /** Refreshes that it tells one by one in a minute: each of them is read by all replicas. */
  readonly refreshesPerMinute: number;
}

/** News is told together with what comes right after it, in ms. */
export const NEWS_WAITS_MS = SOON_MS;

/**
 * How often a replica reports itself: each second, and 100 ms after news, while there are few. Of more than 40 each
 * reports more seldom, and tells fewer events, so that all together make about 40 reports a second.
 * @param replicas as they were last seen, itself included
 */
export function paceOf(replicas: readonly Pick<ReplicaReport, 'everyMs'>[]): Pace {
  const turnMs = (replicas.length * 1_000) / REPORTS_PER_SECOND;
  // A replica of a version that says nothing of it drops whoever has not reported for 5 s.
  const hasOlder = replicas.some(({ everyMs }) => everyMs === undefined);
  const everyMs = hasOlder ? EVERY_MS : Math.max(EVERY_MS, turnMs);
  return {
    everyMs,
    soonMs: Math.min(everyMs, Math.max(SOON_MS, turnMs)),
    refreshesPerMinute: Math.max(1, Math.floor((REFRESHES_PER_MINUTE * EVERY_MS) / everyMs)),
  };
}

/** Until the next report, in ms: a quarter more or less, or replicas that were started at once would report at once.
 *  @param random 0 inclusive to 1 exclusive */
export function untilNextMs({ everyMs }: Pace, random: number): number {
  return everyMs * (0.75 + random / 2);
}

/** For how long a report is believed, in ms.
 *  @param everyMs as the report says; a second if it does not */
export function timeToLiveMs({ everyMs = EVERY_MS }: Pick<ReplicaReport, 'everyMs'>): number {
  return Math.max(LEAST_TIME_TO_LIVE_MS, INTERVALS_BELIEVED * everyMs);
}

/** Of a replica that has been silent for longer nobody knows whether it is still there. */
export function isHeard({ report, agoMs }: Sighting): boolean {
  return agoMs <= timeToLiveMs(report);
}
