import {
  AccessToken,
  type Clock,
  defaultPolicy,
  type HeldToken,
  type IssuedToken,
  type IssuerError,
  MemoryTokenStore,
  TokenBroker,
  type TokenEvent,
  type TokenIssuer,
  tokenKey,
  type TokenKey,
  type TokenPolicy,
  type TokenStore,
  type TokenSubject,
} from '#token';

import { FakeClock } from './fake-clock.js';

export function aKey(parts: Partial<TokenSubject> = {}): TokenKey {
  return tokenKey({
    environment: 'sandbox',
    tokenUrl: 'https://upstream.example/connect/token',
    client: 'acme',
    credentialGeneration: 1,
    merchantVat: 'DK12345678',
    ...parts,
  });
}

export function issued(value: string, lifeMs = 3_700_000): IssuedToken {
  return { token: new AccessToken(value, 'Bearer', 'integrator_scope'), lifeMs };
}

/** Answers on the fake clock after `latencyMs`, with a new token each time or with what was set. */
export class FakeIssuer implements TokenIssuer {
  calls = 0;
  latencyMs = 100;
  lifeMs = 3_700_000;
  failure: Error | undefined;
  readonly signals: AbortSignal[] = [];

  constructor(private readonly clock: Clock) {}

  issue(_subject: TokenSubject, signal: AbortSignal): Promise<IssuedToken> {
    this.calls += 1;
    this.signals.push(signal);
    const { failure, lifeMs } = this;
    const value = `token-${this.calls}`;
    return new Promise((resolve, reject) => {
      this.clock.schedule(this.latencyMs, () => (failure ? reject(failure) : resolve(issued(value, lifeMs))));
    });
  }

  failWith(failure: IssuerError | Error | undefined): void {
    this.failure = failure;
  }
}

export interface Replicas {
  readonly clock: FakeClock;
  readonly issuer: FakeIssuer;
  readonly store: TokenStore;
  readonly brokers: TokenBroker[];
  readonly broker: TokenBroker;
  readonly events: TokenEvent[];
}

/** Replicas that share a store, an issuer and a clock. No jitter unless asked for. */
export function replicas(
  count = 1,
  options: {
    policy?: Partial<TokenPolicy>;
    random?: () => number;
    store?: (clock: FakeClock) => TokenStore;
    /** What stands between the shared store and each replica. */
    perReplica?: (store: TokenStore, clock: FakeClock) => TokenStore;
  } = {},
): Replicas {
  const clock = new FakeClock();
  const issuer = new FakeIssuer(clock);
  const store = options.store?.(clock) ?? new MemoryTokenStore(clock);
  const events: TokenEvent[] = [];
  let renewals = 0;
  const brokers = Array.from(
    { length: count },
    (_, index) =>
      new TokenBroker({
        store: options.perReplica?.(store, clock) ?? store,
        replica: `replica-${index}`,
        issuer,
        clock,
        policy: { ...defaultPolicy, ...options.policy },
        random: options.random ?? (() => 0),
        onEvent: (event) => events.push(event),
        originAhead: () => ({ correlationId: `ahead-${(renewals += 1)}` }),
      }),
  );
  return { clock, issuer, store, brokers, broker: brokers[0]!, events };
}

/** Replicas of which the first holds a token. Its issuer takes 100 ms. */
export async function warm(setup = replicas()): Promise<Replicas & { first: HeldToken }> {
  const first = setup.broker.get(aKey(), 0);
  await setup.clock.advance(100);
  return { ...setup, first: await first };
}
