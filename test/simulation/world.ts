import { seededRandom } from './random.js';

/**
 * Virtual time, and chance from a seed. Everything that happens is an action at an instant; actions of the same instant
 * come in any order. Promises settle between two actions.
 */
export class World {
  #nowMs = 0;
  #count = 0;
  readonly #heap: Action[] = [];
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

  after(delayMs: number, run: () => void): () => void {
    const action: Action = { atMs: this.#nowMs + Math.max(0, delayMs), tie: this.random(), order: this.#count++, run };
    push(this.#heap, action);
    return () => {
      action.run = undefined;
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  async run(untilMs: number): Promise<void> {
    await settle();
    for (let next = this.#heap[0]; next && next.atMs <= untilMs; next = this.#heap[0]) {
      pop(this.#heap);
      if (!next.run) continue;
      this.#nowMs = next.atMs;
      next.run();
      await settle();
    }
    this.#nowMs = untilMs;
  }
}

interface Action {
  readonly atMs: number;
  readonly tie: number;
  readonly order: number;
  run: (() => void) | undefined;
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(a: Action, b: Action): boolean {
  return (a.atMs - b.atMs || a.tie - b.tie || a.order - b.order) < 0;
}

/** A binary heap, the earliest first. */
function push(heap: Action[], action: Action): void {
  let at = heap.push(action) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(heap[at]!, heap[parent]!)) break;
    [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
    at = parent;
  }
}

function pop(heap: Action[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  heap[0] = last;
  for (let at = 0; ;) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
    }
    if (least === at) return;
    [heap[at], heap[least]] = [heap[least]!, heap[at]!];
    at = least;
  }
}
