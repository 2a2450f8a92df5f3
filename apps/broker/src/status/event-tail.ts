import type { BoardEvent, TimelineEvent } from '#cluster';

/** How many of the newest events are at hand. */
export const TAIL = 200;

/** The newest events of all replicas, each once, in the order in which this one heard of them. */
export class EventTail {
  readonly #events = new Map<string, TimelineEvent>();
  readonly #listeners = new Set<(event: TimelineEvent) => void>();

  add(event: BoardEvent, atMs: number): void {
    if (this.#events.has(event.id)) return;
    const dated = { ...event, at: new Date(atMs).toISOString() };
    this.#events.set(event.id, dated);
    if (this.#events.size > TAIL) this.#events.delete(this.#oldest());
    if (this.#events.has(event.id)) for (const listener of this.#listeners) listener(dated);
  }

  get newestFirst(): TimelineEvent[] {
    return [...this.#events.values()].toReversed().toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
  }

  /** What was heard after the event of that id, or all there is if it is not at hand. */
  after(id: string | undefined): TimelineEvent[] {
    const all = [...this.#events.values()];
    return all.slice(all.findIndex((event) => event.id === id) + 1);
  }

  subscribe(listener: (event: TimelineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #oldest(): string {
    return [...this.#events.values()].reduce((oldest, event) => (event.at < oldest.at ? event : oldest)).id;
  }
}
