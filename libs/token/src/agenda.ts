import type { Clock } from './clock.js';

/** What can stand in an agenda. Both members are the agenda's. */
export interface Due {
  /** When, on the agenda's clock, in whole ms: small integers, up to 2^31 and so for the first
   *  24 days, cost nothing beside the object that they stand in. */
  dueAtMs: number;
  /** Where it stands in the heap; -1 if it does not. */
  place: number;
}

/** As what `Due` begins with. */
export const NOT_DUE: Due = { dueAtMs: 0, place: -1 };

/** What is due in more than a hundred times this is due on a whole step, in ms: what falls on the same one shares a wake-up
 *  of the process, which costs more than the work. */
const STEP_MS = 250;

/**
 * What is due when, for very many: a binary heap, and one timer for whatever is next. Never early; late by 1 % of the delay
 * at most, and never by more than a quarter of a second. Beside a timer of the clock for each, with 100,000 of them, saves
 * 500 bytes each.
 */
export class Agenda<T extends Due> {
  readonly #heap: T[] = [];
  #cancelTimer = (): void => {};
  /** When the timer strikes. */
  #strikesAtMs = Infinity;

  /** @param onDue is handed each when its time has come; it stands in no agenda then */
  constructor(
    private readonly clock: Clock,
    private readonly onDue: (due: T) => void,
  ) {}

  get size(): number {
    return this.#heap.length;
  }

  /** Puts it in, `delayMs` from now, or moves it there. */
  set(due: T, delayMs: number): void {
    if (due.place >= 0) this.#take(due);
    const atMs = this.clock.now() + delayMs;
    due.dueAtMs = delayMs < 100 * STEP_MS ? Math.ceil(atMs) : STEP_MS * Math.ceil(atMs / STEP_MS);
    this.#rise(due, this.#heap.push(due) - 1);
    this.#arm();
  }

  /** Takes it out, if it is in. */
  delete(due: T): void {
    if (due.place < 0) return;
    this.#take(due);
    this.#arm();
  }

  clear(): void {
    for (const due of this.#heap) due.place = -1;
    this.#heap.length = 0;
    this.#arm();
  }

  #arm(): void {
    const nextAtMs = this.#heap[0]?.dueAtMs ?? Infinity;
    // A timer that strikes too soon only looks, and is set anew.
    if (nextAtMs >= this.#strikesAtMs && this.#heap.length > 0) return;
    this.#cancelTimer();
    this.#strikesAtMs = nextAtMs;
    if (nextAtMs === Infinity) return;
    this.#cancelTimer = this.clock.schedule(Math.max(0, nextAtMs - this.clock.now()), () => this.#strike());
  }

  #strike(): void {
    // Until everything due has been handed out, what is added sets no timer: it would be set anew each time.
    this.#strikesAtMs = -Infinity;
    const now = this.clock.now();
    try {
      for (let first = this.#heap[0]; first && first.dueAtMs <= now; first = this.#heap[0]) {
        this.#take(first);
        this.onDue(first);
      }
    } finally {
      this.#strikesAtMs = Infinity;
      this.#arm();
    }
  }

  #take(due: T): void {
    const { place } = due;
    due.place = -1;
    const last = this.#heap.pop();
    if (!last || last === due) return;
    // Into the gap: from there one of these moves it.
    this.#rise(last, place);
    this.#sink(last, last.place);
  }

  #rise(due: T, from: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#heap[parent];
      if (!above || above.dueAtMs <= due.dueAtMs) break;
      this.#put(above, place);
      place = parent;
    }
    this.#put(due, place);
  }

  #sink(due: T, from: number): void {
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      const [left, right] = [this.#heap[child], this.#heap[child + 1]];
      if (!left) break;
      let below = left;
      if (right && right.dueAtMs < left.dueAtMs) [below, child] = [right, child + 1];
      if (below.dueAtMs >= due.dueAtMs) break;
      this.#put(below, place);
      place = child;
    }
    this.#put(due, place);
  }

  #put(due: T, place: number): void {
    this.#heap[place] = due;
    due.place = place;
  }
}
