import {
  type BoardEvent,
  type ClusterBoard,
  detailOfArrival,
  type EventPage,
  GOODBYE,
  type MinuteCounts,
  MINUTES_TOLD,
  MOST_EVENTS,
  NO_COUNTS,
  NO_GOODBYE,
  type PastMinute,
  type Sightings,
  sumOf,
  type Told,
} from './board.js';
import { isHeard } from './pace.js';

const MINUTE_MS = 60_000;

/** The board of one process: the only one where there is no Redis. */
export class MemoryClusterBoard implements ClusterBoard {
  readonly #reports = new Map<string, { readonly report: Told['report']; readonly atMs: number }>();
  readonly #minutes = new Map<number, MinuteCounts>();
  #events: { readonly number: number; readonly event: BoardEvent; readonly atMs: number }[] = [];
  #count = 0;

  /** @param now ms on a clock that is never set back; its minutes are those that are told */
  constructor(private readonly now: () => number) {}

  tell({ report, counts, events }: Told): Promise<Sightings> {
    const now = this.now();
    for (const [name, { report: before, atMs }] of this.#reports) {
      const isThere = name === report.name ? before.run === report.run : isHeard({ report: before, agoMs: now - atMs });
      if (isThere) continue;
      this.#reports.delete(name);
      this.#note('replica_went', name, NO_GOODBYE);
    }
    if (!this.#reports.has(report.name)) this.#note('replica_came', report.name, detailOfArrival(report));
    this.#reports.set(report.name, { report, atMs: now });
    for (const { event, agoMs } of events) this.#append(event, now - agoMs);
    this.#addUp(counts, Math.floor(now / MINUTE_MS));
    const replicas = [...this.#reports.values()].map((each) => ({ report: each.report, agoMs: now - each.atMs }));
    return Promise.resolve({ replicas, isCurrent: true });
  }

  leave(name: string): Promise<void> {
    if (this.#reports.delete(name)) this.#note('replica_went', name, GOODBYE);
    return Promise.resolve();
  }

  eventsAfter(cursor: string | undefined, limit: number): Promise<EventPage> {
    const now = this.now();
    const after = cursor === undefined ? -1 : Number(cursor);
    const found = this.#events.filter(({ number }) => number > after);
    const page = cursor === undefined ? found.slice(-limit) : found.slice(0, limit);
    const last = page.at(-1);
    return Promise.resolve({
      events: page.map(({ event, atMs }) => ({ event, agoMs: now - atMs })),
      cursor: last ? String(last.number) : cursor,
    });
  }

  minutes(): Promise<readonly PastMinute[]> {
    const now = this.now();
    const current = Math.floor(now / MINUTE_MS);
    return Promise.resolve(
      Array.from({ length: MINUTES_TOLD }, (_, i) => {
        const minute = current - MINUTES_TOLD + 1 + i;
        return { ...(this.#minutes.get(minute) ?? NO_COUNTS), agoMs: now - minute * MINUTE_MS };
      }),
    );
  }

  #addUp(counts: Told['counts'], current: number): void {
    for (const { minutesAgo, ...each } of counts) {
      const minute = current - minutesAgo;
      this.#minutes.set(minute, sumOf(this.#minutes.get(minute) ?? NO_COUNTS, each));
    }
    for (const minute of this.#minutes.keys()) if (minute <= current - MINUTES_TOLD) this.#minutes.delete(minute);
  }

  #note(kind: 'replica_came' | 'replica_went', replica: string, detail: string): void {
    this.#append({ id: `${replica}/${kind}-${this.#count}`, kind, replica, detail }, this.now());
  }

  #append(event: BoardEvent, atMs: number): void {
    this.#events.push({ number: (this.#count += 1), event, atMs });
    if (this.#events.length > MOST_EVENTS * 1.1) this.#events = this.#events.slice(-MOST_EVENTS);
  }
}
