import {
  BoardAwayError,
  type ClusterBoard,
  detailOfArrival,
  type EventPage,
  GOODBYE,
  MINUTES_TOLD,
  MOST_EVENTS,
  NO_COUNTS,
  type MinuteCounts,
  type PastEvent,
  type PastMinute,
  readEvent,
  readReport,
  type Sighting,
  type Sightings,
  timeToLiveMs,
  type Told,
} from '#cluster';
import { StoreAwayError } from '#token';

import type { RedisLink } from './redis-link.js';
import { readJson, Reply } from './replies.js';
import { runScript, type ScriptName } from './scripts.js';

const MINUTE_MS = 60_000;

/** The board that all replicas share. Ages and minutes are reckoned by Redis' clock. */
export class RedisClusterBoard implements ClusterBoard {
  constructor(private readonly link: RedisLink) {}

  async tell({ report, counts, events }: Told): Promise<Sightings> {
    const reply = await this.#run(
      'tell',
      ...this.link.keys.cluster,
      report.name,
      JSON.stringify(report),
      detailOfArrival(report),
      Math.round(timeToLiveMs(report)),
      MOST_EVENTS,
      report.run,
      counts.length,
      ...counts.flatMap((each) => [each.minutesAgo, ...numbersOf(each)]),
      ...events.flatMap(({ agoMs, event }) => [Math.round(agoMs), JSON.stringify(event)]),
    );
    reply.number();
    const replicas: Sighting[] = [{ report, agoMs: 0 }];
    while (!reply.isEmpty) {
      const agoMs = reply.number();
      const other = readReport(readJson(reply.text()));
      if (other) replicas.push({ agoMs, report: other });
    }
    return { replicas, isCurrent: true };
  }

  async leave(name: string): Promise<void> {
    const [replicas, , events] = this.link.keys.cluster;
    await this.#send('say-goodbye', replicas, events, name, MOST_EVENTS, GOODBYE);
  }

  async eventsAfter(cursor: string | undefined, limit: number): Promise<EventPage> {
    const [, , stream] = this.link.keys.cluster;
    const reply = await this.#run('read-events', stream, cursor ?? '', limit);
    const next = reply.text();
    const events: PastEvent[] = [];
    while (!reply.isEmpty) {
      const agoMs = reply.number();
      const event = readEvent(readJson(reply.text()), agoMs);
      if (event) events.push({ agoMs, event });
    }
    return { events, cursor: next === '' ? undefined : next };
  }

  async minutes(): Promise<readonly PastMinute[]> {
    const [, stored] = this.link.keys.cluster;
    const reply = await this.#run('read-minutes', stored, MINUTES_TOLD);
    const newestMs = reply.number();
    return Array.from({ length: MINUTES_TOLD }, (_, i) => ({
      ...countsFrom(reply.text()),
      agoMs: newestMs + (MINUTES_TOLD - 1 - i) * MINUTE_MS,
    }));
  }

  async #run(name: ScriptName, ...args: readonly [string, ...(string | number)[]]): Promise<Reply> {
    return new Reply(await this.#send(name, ...args));
  }

  /** What this board fails at must not keep tokens from Redis: only if Redis fails at the simplest thing too, the link
   *  counts it as away. */
  async #send(name: ScriptName, ...args: readonly [string, ...(string | number)[]]): Promise<unknown> {
    const reply = await this.link.ask(args[0], (client) => runScript(client, name, ...args));
    if (reply !== undefined) return reply;
    try {
      await this.link.run('time', args[0]);
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
      throw new BoardAwayError(error.reason);
    }
    throw new BoardAwayError('Redis refused, or took too long');
  }
}

/** In the order in which the script adds them up. */
function numbersOf({ served, calls, errors, latencySumMs, latencyMaxMs }: MinuteCounts): number[] {
  return [served, calls, errors, Math.round(latencySumMs), Math.round(latencyMaxMs)];
}

/** @param stored as the script writes them; empty if nothing was counted */
function countsFrom(stored: string): MinuteCounts {
  const [served = 0, calls = 0, errors = 0, latencySumMs = 0, latencyMaxMs] = stored.split(' ').map(Number);
  if (latencyMaxMs === undefined || Number.isNaN(served + calls + errors + latencySumMs + latencyMaxMs))
    return NO_COUNTS;
  return { served, calls, errors, latencySumMs, latencyMaxMs };
}
