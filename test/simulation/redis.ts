import { MemoryTokenStore, type StoreNews, type TokenStore } from '#token';

import type { World } from './world.js';

/** Redis as replicas meet it: one command at a time, on a clock of its own; it may stall, be down, and lose its data. */
export class SimulatedRedis {
  #store: MemoryTokenStore;
  #clockOffsetMs = 1e12;
  #isDown = false;
  #epoch = 0;
  #stalled: Promise<void> | undefined;
  readonly #listeners = new Set<(news: StoreNews) => void>();
  readonly #onClosed = new Set<() => void>();
  /** What Redis must never do, as it was seen. */
  readonly wrong: string[] = [];

  constructor(private readonly world: World) {
    this.#store = this.#empty();
  }

  onNews(listener: (news: StoreNews) => void): void {
    this.#listeners.add(listener);
  }

  /** Its connections are closed when it restarts. */
  onClosed(listener: () => void): void {
    this.#onClosed.add(listener);
  }

  /** Grows with each restart: what is under way on a connection that was closed never arrives. */
  get epoch(): number {
    return this.#epoch;
  }

  async run(command: (store: TokenStore) => Promise<unknown>): Promise<unknown> {
    await this.#stalled;
    if (this.#isDown) throw new Error('connection refused');
    return command(this.#store);
  }

  stallFor(ms: number): void {
    this.#stalled ??= this.world.sleep(ms);
    this.world.after(ms, () => {
      this.#stalled = undefined;
    });
  }

  restartAfter(ms: number, { empty }: { empty: boolean }): void {
    this.#isDown = true;
    this.#epoch += 1;
    for (const listener of this.#onClosed) listener();
    this.world.after(ms, () => {
      this.#isDown = false;
      if (empty) this.#store = this.#empty();
    });
  }

  /** FLUSHALL: nobody is told. */
  flush(): void {
    this.#store = this.#empty();
  }

  stepClock(ms: number): void {
    this.#clockOffsetMs += ms;
  }

  #empty(): MemoryTokenStore {
    const store = new MemoryTokenStore({
      now: () => this.world.nowMs + this.#clockOffsetMs,
      schedule: () => () => {},
    });
    const newest = new Map<string, number>();
    store.subscribe((news) => {
      if (news.kind === 'token') {
        if (news.generation <= (newest.get(news.id) ?? 0)) this.wrong.push('a token was overwritten by an older one');
        newest.set(news.id, news.generation);
      }
      for (const listener of this.#listeners) listener(news);
    });
    return store;
  }
}
