import {
  type AcquireOutcome,
  type Lease,
  MemoryTokenStore,
  type StoreMessage,
  type StoreNews,
  type TokenKey,
  type TokenStore,
} from '#token';

import type { Model } from './model.js';
import { COST, type Step, type Tally } from './tally.js';
import type { Timeline } from './timeline.js';

/** Where messages arrive. */
export interface Listener {
  /** Whether the key means anything to it now. If not, when exactly it hears of it makes no difference. */
  concerns(id: string): boolean;
  hear(news: StoreNews): void;
}

/** Redis as many replicas share it: steps are atomic, take the round trips of the real store, and are counted. */
export class RemoteRedis {
  readonly #store: MemoryTokenStore;
  readonly #listeners: Listener[] = [];

  constructor(
    private readonly timeline: Timeline,
    private readonly model: Model,
    private readonly tally: Tally,
  ) {
    this.#store = new MemoryTokenStore({ now: () => timeline.nowMs + 1e12, schedule: () => () => {} });
    this.#store.subscribe((news) => {
      if (news.kind !== 'back' && news.kind !== 'stale') this.#publish(news);
    });
  }

  /** Called for each message before it is delivered. */
  onMessage: (message: StoreMessage) => void = () => {};

  /** The store as one replica has it. */
  storeFor(listener: Listener): TokenStore {
    const own = new Set<(news: StoreNews) => void>();
    this.#listeners.push({
      concerns: (id) => listener.concerns(id),
      hear: (news) => own.forEach((each) => each(news)),
    });
    const store = this.#store;
    const other = <T>(run: () => Promise<T>): Promise<T> => this.#step(run, () => 'other_step');
    return {
      acquire: (key, request) =>
        this.#step(
          () => store.acquire(key, request),
          (outcome) => this.#kindOf(key, outcome),
        ),
      renew: (lease, leaseMs) =>
        this.#step(
          () => store.renew(lease, leaseMs),
          () => 'renew',
        ),
      commit: (lease, issued) =>
        this.#step(
          () => store.commit(lease, issued),
          ({ kind }) => (kind === 'stored' ? 'commit' : 'late_commit'),
        ),
      fail: (lease, report) =>
        this.#step(
          () => store.fail(lease, report),
          () => 'fail',
        ),
      release: (lease: Lease) => other(() => store.release(lease)),
      now: () => other(() => store.now()),
      seed: (...args) => other(() => store.seed(...args)),
      invalidate: (...args) => other(() => store.invalidate(...args)),
      find: (key) => other(() => store.find(key)),
      inspect: (key) => other(() => store.inspect(key)),
      inspectUpstream: (key) => other(() => store.inspectUpstream(key)),
      list: (query) => other(() => store.list(query)),
      subscribe: (hear) => {
        own.add(hear);
        return () => own.delete(hear);
      },
    };
  }

  /** There, and back; what the step has to do after its first command is more round trips. */
  async #step<T>(run: () => Promise<T>, kindOf: (outcome: T) => Step | Promise<Step>): Promise<T> {
    await this.timeline.sleep(this.#wayMs());
    const outcome = await run();
    const kind = await kindOf(outcome);
    this.tally.add(kind);
    let restMs = this.#wayMs();
    for (let i = 1; i < COST[kind].roundTrips; i += 1) restMs += this.#wayMs() + this.#wayMs();
    await this.timeline.sleep(restMs);
    return outcome;
  }

  /** The store answers alike to who meets another's lease, and to who finds all calls of the client taken. */
  async #kindOf(key: TokenKey, outcome: AcquireOutcome): Promise<Step> {
    if (outcome.kind !== 'busy') return outcome.kind;
    const { lease } = await this.#store.inspect(key);
    return lease ? 'busy' : 'full';
  }

  #wayMs(): number {
    const { least, most } = this.model.redisMs;
    return this.timeline.between(least, most) / 2;
  }

  #publish(message: StoreMessage): void {
    this.tally.add('messages');
    this.tally.add('deliveries', this.#listeners.length);
    this.onMessage(message);
    const others: Listener[] = [];
    for (const listener of this.#listeners) {
      if (listener.concerns(message.id)) this.timeline.after(this.#wayMs(), () => listener.hear(message));
      else others.push(listener);
    }
    this.tally.add('wanted_deliveries', this.#listeners.length - others.length);
    // They hear it as well, all at once: each for itself would only be more to do here.
    this.timeline.after(this.#wayMs(), () => {
      for (const listener of others) listener.hear(message);
    });
  }
}
