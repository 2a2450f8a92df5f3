import {
  type Clock,
  defaultPolicy,
  FailoverTokenStore,
  type IssuedToken,
  StoreAwayError,
  type StoreNews,
  TokenBroker,
  type TokenEvent,
  type TokenIssuer,
  type TokenStore,
} from '#token';

import type { SimulatedRedis } from './redis.js';
import type { SimulatedUpstream } from './upstream.js';
import type { World } from './world.js';

const COMMAND_LIMIT_MS = 400;

/**
 * One broker process: the real core, on a clock of its own, behind a network that delays, cuts and loses. It can be
 * killed, and stopped for a while; what reaches it meanwhile is lost, or waits.
 */
export class Replica {
  readonly broker: TokenBroker;
  readonly events: TokenEvent[] = [];
  #isAlive = true;
  #resumed: Promise<void> | undefined;
  #isCut = false;
  #outage: { sinceMs: number; confirmedAtMs: number } | undefined;
  readonly #listeners = new Set<(news: StoreNews) => void>();
  readonly #clockOffsetMs: number;

  constructor(
    readonly world: World,
    readonly redis: SimulatedRedis,
    upstream: SimulatedUpstream,
    readonly name: string,
    /** How long each way through the network takes at most, in ms. */
    private readonly lagMs: number,
  ) {
    this.#clockOffsetMs = world.between(0, 1e9);
    redis.onNews((news) => void this.#deliver(news));
    redis.onClosed(() => void this.#noticeClosing());
    const issuer: TokenIssuer = {
      issue: async (subject) => {
        const answer = await upstream.issue(subject);
        await this.#awake();
        if (answer instanceof Error) throw answer;
        return answer satisfies IssuedToken;
      },
    };
    this.broker = new TokenBroker({
      store: new FailoverTokenStore(this.#store(), this.clock, defaultPolicy.storeGraceMs),
      issuer,
      policy: defaultPolicy,
      clock: this.clock,
      replica: name,
      random: world.random,
      onEvent: (event) => this.events.push(event),
    });
  }

  /** Runs nothing while the process is stopped, and nothing any more when it is dead. */
  readonly clock: Clock = {
    now: () => this.world.nowMs + this.#clockOffsetMs,
    schedule: (delayMs, action) => {
      let isCancelled = false;
      this.world.after(delayMs, () => void this.#awake().then(() => isCancelled || action()));
      return () => {
        isCancelled = true;
      };
    },
  };

  get isAlive(): boolean {
    return this.#isAlive;
  }

  kill(): void {
    this.#isAlive = false;
  }

  stopFor(ms: number): void {
    const resumed = (this.#resumed ??= this.world.sleep(ms));
    void resumed.finally(() => {
      this.#resumed = undefined;
    });
  }

  cutFor(ms: number): void {
    this.#isCut = true;
    this.world.after(ms, () => {
      this.#isCut = false;
    });
  }

  /** The subscriber's connection is killed: what is said until it is back is lost. */
  loseMessagesFor(ms: number): void {
    this.#isDeaf = true;
    this.world.after(ms, () => {
      this.#isDeaf = false;
      void this.#tell({ kind: 'stale' });
    });
  }
  #isDeaf = false;

  async #awake(): Promise<void> {
    while (this.#resumed) await this.#resumed;
    // The dead never go on.
    if (!this.#isAlive) await new Promise(() => {});
  }

  async #deliver(news: StoreNews): Promise<void> {
    await this.world.sleep(this.world.between(0, 5));
    if (this.#isCut || this.#isDeaf) return;
    await this.#tell(news);
  }

  async #tell(news: StoreNews): Promise<void> {
    await this.#awake();
    for (const listener of this.#listeners) listener(news);
  }

  #store(): TokenStore {
    const methods: ProxyHandler<TokenStore> = {
      get: (_, name: keyof TokenStore) =>
        name === 'subscribe'
          ? (listener: (news: StoreNews) => void) => {
              this.#listeners.add(listener);
              return () => this.#listeners.delete(listener);
            }
          : (...args: unknown[]) =>
              this.#command((store) => Reflect.apply(store[name], store, args) as Promise<unknown>),
    };
    return new Proxy<TokenStore>(Object.create(null), methods);
  }

  /** As the link to Redis does it: a deadline for each command, and a breaker after the first failure. */
  async #command(run: (store: TokenStore) => Promise<unknown>): Promise<unknown> {
    if (this.#outage) throw new StoreAwayError(this.#outage.sinceMs, this.#outage.confirmedAtMs, 'simulated');
    const sinceMs = this.clock.now();
    try {
      return await this.#roundTrip(run);
    } catch {
      this.#lose(sinceMs);
      throw new StoreAwayError(sinceMs, sinceMs, 'simulated');
    }
  }

  #lose(sinceMs: number): void {
    if (this.#outage) return;
    this.#outage = { sinceMs, confirmedAtMs: sinceMs };
    this.#probeLater();
  }

  async #noticeClosing(): Promise<void> {
    if (this.#isCut) return;
    await this.#awake();
    this.#lose(this.clock.now());
  }

  async #roundTrip(run: (store: TokenStore) => Promise<unknown>): Promise<unknown> {
    const { epoch } = this.redis;
    const answer = this.#travel(epoch)
      .then(() => this.redis.run(run))
      .then(async (value) => {
        await this.#travel(epoch);
        return value;
      });
    const settled = answer.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    const late = new Promise<'late'>((resolve) => void this.clock.schedule(COMMAND_LIMIT_MS, () => resolve('late')));
    const first = await Promise.race([settled, late]);
    await this.#awake();
    if (first === 'late') throw new Error('no answer in time');
    if ('error' in first) throw first.error;
    return first.value;
  }

  /** One way through the network; if it is cut, for ever. */
  async #travel(epoch: number): Promise<void> {
    await this.world.sleep(this.world.between(0, this.lagMs));
    if (this.#isCut) await new Promise(() => {});
    if (epoch !== this.redis.epoch) throw new Error('connection closed');
  }

  #probeLater(): void {
    this.clock.schedule(this.world.between(300, 500), () => {
      const askedAtMs = this.clock.now();
      void this.#roundTrip(async () => true).then(
        () => this.#recover(),
        () => {
          if (this.#outage) this.#outage.confirmedAtMs = askedAtMs;
          return this.#probeLater();
        },
      );
    });
  }

  #recover(): Promise<void> {
    this.#outage = undefined;
    return this.#tell({ kind: 'back' });
  }
}
