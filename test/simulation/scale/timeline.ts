import { seededRandom } from '../random.js';

/** An action that sets no promise off answers `true`: then nothing need settle before the next one. */
export type Action = () => true | void;

interface Entry {
  readonly atMs: number;
  readonly order: number;
  run: Action | undefined;
}

/**
 * Virtual time, and chance from a seed, for millions of actions. Unlike `World` it keeps to the order in which actions of
 * one instant were planned, and lets promises settle only after those that set some off: 0.9 µs each, by setImmediate.
 */
export class Timeline {
  #nowMs = 0;
  #count = 0;
  readonly #heap: Entry[] = [];
  /** 0 inclusive to 1 exclusive. */
  readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  between(min: number, max: number): number {
    return min + (max - min) * this.random();
  }

  after(delayMs: number, run: Action): () => void {
    const entry: Entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#count++, run };
    push(this.#heap, entry);
    return () => {
      entry.run = undefined;
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Ends at once, with its error, if an action throws. */
  run(untilMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          let next = this.#runNext(untilMs);
          while (next === 'at_once') next = this.#runNext(untilMs);
          if (next === 'when_settled') return void setImmediate(step);
          this.#nowMs = untilMs;
          return resolve();
        } catch (error) {
          return reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      setImmediate(step);
    });
  }

  /** @returns when the one after it may run, if there is one */
  #runNext(untilMs: number): 'at_once' | 'when_settled' | 'never' {
    const [next] = this.#heap;
    if (!next || next.atMs > untilMs) return 'never';
    pop(this.#heap);
    if (!next.run) return 'at_once';
    this.#nowMs = next.atMs;
    return next.run() === true ? 'at_once' : 'when_settled';
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** A binary heap, the earliest first. */
function push(heap: Entry[], entry: Entry): void {
  let at = heap.push(entry) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(entry, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop()!;
  const { length } = heap;
  if (length === 0) return;
  let at = 0;
  for (let child = 1; child < length; child = 2 * at + 1) {
    if (child + 1 < length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (!isBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
}
