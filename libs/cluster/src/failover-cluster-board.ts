import {
  BoardAwayError,
  type ClusterBoard,
  type EventPage,
  MINUTES_TOLD,
  NO_COUNTS,
  type MinuteCounts,
  type PastEvent,
  type PastMinute,
  type Sighting,
  type Sightings,
  sumOf,
  type Told,
} from './board.js';
import { MemoryClusterBoard } from './memory-cluster-board.js';

const MINUTE_MS = 60_000;
/** Events kept for the shared board while it is away. */
const MOST_KEPT = 200;

/**
 * A shared board that may go away. Meanwhile it is told what was seen last, and what this replica knows by itself; what
 * this replica had to say is said when the board is back.
 */
export class FailoverClusterBoard implements ClusterBoard {
  readonly #own: MemoryClusterBoard;
  /** Not said yet, by this process' minutes; and when each happened. */
  readonly #counts = new Map<number, MinuteCounts>();
  #events: { readonly event: PastEvent['event']; readonly atMs: number }[] = [];
  #seen: { readonly replicas: readonly Sighting[]; readonly atMs: number } | undefined;
  #minutes: { readonly told: readonly PastMinute[]; readonly atMs: number } | undefined;

  constructor(
    private readonly shared: ClusterBoard,
    /** ms on a clock that is never set back */
    private readonly now: () => number,
  ) {
    this.#own = new MemoryClusterBoard(now);
  }

  async tell({ report, counts, events }: Told): Promise<Sightings> {
    const now = this.now();
    await this.#own.tell({ report, counts, events: [] });
    this.#keep(counts, events, now);
    const said = {
      report,
      counts: [...this.#counts].map(([minute, each]) => Object.assign({ minutesAgo: minuteOf(now) - minute }, each)),
      events: this.#events.map(({ event, atMs }) => ({ event, agoMs: now - atMs })),
    };
    const [kept, keptEvents] = [new Map(this.#counts), this.#events];
    this.#counts.clear();
    this.#events = [];
    try {
      const sightings = await this.shared.tell(said);
      this.#seen = { replicas: sightings.replicas, atMs: this.now() };
      return sightings;
    } catch (error) {
      if (!(error instanceof BoardAwayError)) throw error;
      for (const [minute, each] of kept) this.#addUp(minute, each);
      this.#events = [...keptEvents, ...this.#events].slice(-MOST_KEPT);
      return { replicas: this.#lastSeen(report), isCurrent: false };
    }
  }

  leave(name: string): Promise<void> {
    return this.shared.leave(name);
  }

  eventsAfter(cursor: string | undefined, limit: number): Promise<EventPage> {
    return this.shared.eventsAfter(cursor, limit);
  }

  async minutes(): Promise<readonly PastMinute[]> {
    try {
      const told = await this.shared.minutes();
      this.#minutes = { told, atMs: this.now() };
      return told;
    } catch (error) {
      if (!(error instanceof BoardAwayError)) throw error;
      return this.#lastMinutes(await this.#own.minutes());
    }
  }

  /** What all had counted when that was last read, and for what came after it what this replica has. */
  #lastMinutes(own: readonly PastMinute[]): readonly PastMinute[] {
    if (!this.#minutes) return own;
    const { told, atMs } = this.#minutes;
    const passed = minuteOf(this.now()) - minuteOf(atMs);
    return own.map((each, i) => {
      const before = told[i + passed];
      return before && before.calls + before.served > each.calls + each.served
        ? { ...before, agoMs: each.agoMs }
        : each;
    });
  }

  #lastSeen(report: Told['report']): readonly Sighting[] {
    const { replicas = [], atMs = 0 } = this.#seen ?? {};
    const passedMs = this.now() - atMs;
    const others = replicas.filter((each) => each.report.name !== report.name);
    return [{ report, agoMs: 0 }, ...others.map((each) => ({ report: each.report, agoMs: each.agoMs + passedMs }))];
  }

  #keep(counts: Told['counts'], events: readonly PastEvent[], now: number): void {
    for (const { minutesAgo, ...each } of counts) this.#addUp(minuteOf(now) - minutesAgo, each);
    for (const minute of this.#counts.keys()) if (minute <= minuteOf(now) - MINUTES_TOLD) this.#counts.delete(minute);
    const happened = events.map(({ event, agoMs }) => ({ event, atMs: now - agoMs }));
    this.#events = [...this.#events, ...happened].slice(-MOST_KEPT);
  }

  #addUp(minute: number, counts: MinuteCounts): void {
    this.#counts.set(minute, sumOf(this.#counts.get(minute) ?? NO_COUNTS, counts));
  }
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS);
}
