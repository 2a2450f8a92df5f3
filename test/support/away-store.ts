import { type Clock, MemoryTokenStore, StoreAwayError, type StoreNews, type TokenStore } from '#token';

/** A shared store that can be taken away and given back, with or without its data. */
export class AwayStore {
  inner: MemoryTokenStore;
  #since: number | undefined;
  #confirmedAtMs: number | undefined;
  readonly #listeners = new Set<(news: StoreNews) => void>();

  constructor(private readonly clock: Clock) {
    this.inner = this.#fresh();
  }

  goAway(): void {
    this.#since = this.clock.now();
  }

  /** Nobody looks any more whether it is still away. */
  stopLooking(): void {
    this.#confirmedAtMs = this.clock.now();
  }

  comeBack({ empty = false } = {}): void {
    this.#since = undefined;
    this.#confirmedAtMs = undefined;
    if (empty) this.inner = this.#fresh();
    for (const listener of this.#listeners) listener({ kind: 'back' });
  }

  /** The store as replicas see it. */
  get store(): TokenStore {
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment -- the proxy's methods have none
    const outer = this;
    return new Proxy<TokenStore>(this.inner, {
      get(_, name: keyof TokenStore) {
        if (name === 'subscribe') {
          return (listener: (news: StoreNews) => void) => {
            outer.#listeners.add(listener);
            return () => outer.#listeners.delete(listener);
          };
        }
        return async (...args: unknown[]) => {
          if (outer.#since !== undefined)
            throw new StoreAwayError(outer.#since, outer.#confirmedAtMs ?? outer.clock.now(), 'gone');
          return Reflect.apply(outer.inner[name], outer.inner, args);
        };
      },
    });
  }

  #fresh(): MemoryTokenStore {
    const store = new MemoryTokenStore(this.clock);
    store.subscribe((news) => {
      for (const listener of this.#listeners) listener(news);
    });
    return store;
  }
}
