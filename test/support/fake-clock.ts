import type { Clock } from '#token';

interface Timer {
  readonly atMs: number;
  readonly action: () => void;
}

/** A clock that moves only when told to. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, action: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Lets time pass, running each timer at its instant and everything that follows from it before the next. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers].toSorted((a, b) => a.atMs - b.atMs)[0];
      if (!next || next.atMs > untilMs) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.action();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    await settle();
  }

  /** Time passes without a timer running: the process was stopped. */
  freeze(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
