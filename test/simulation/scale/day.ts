import {
  AccessToken,
  type Clock,
  defaultPolicy,
  FailoverTokenStore,
  KEY_STATES,
  TokenBroker,
  type TokenEvent,
  type TokenIssuer,
  tokenKey,
  type TokenKey,
} from '#token';

import { HOUR_MS, type Model, nextRequestAtMs } from './model.js';
import { RemoteRedis } from './remote-redis.js';
import { COUNTS, type Count, QUARTER_MS, Tally } from './tally.js';
import { Timeline } from './timeline.js';

/** What came of a day, of the simulated keys alone. */
export interface Day {
  readonly model: Model;
  readonly totals: Readonly<Record<Count, number>>;
  /** By quarters of an hour. */
  readonly quarters: Readonly<Record<Count, readonly number[]>>;
  /** Keys in the memory of a replica, on average of all; the most at the end of any quarter. */
  readonly heldAtMost: number;
  /** Keys with a record in Redis, the most at the end of any quarter. */
  readonly storedAtMost: number;
  /** Of the requests that were not answered from memory, in ms. */
  readonly waits: { readonly median: number; readonly p99: number; readonly longest: number };
}

/** A record outlives its token by this. */
const KEPT_FOR_MS = 60_000;

/** Runs the real core of every replica through one day.
 *  @param onHour called with the hour that begins */
export async function simulateDay(model: Model, onHour: (hour: number) => void = () => {}): Promise<Day> {
  const timeline = new Timeline(model.seed);
  const tally = new Tally(() => timeline.nowMs, model.hours);
  const redis = new RemoteRedis(timeline, model, tally);
  const keys = keysOf(model);
  const keyOf = new Map(keys.map((key) => [key.id, key]));
  const storedUntilMs = new Map<string, number>();
  redis.onMessage = ({ kind, id }) => {
    if (kind === 'token') storedUntilMs.set(id, timeline.nowMs + model.lifeSeconds * 1_000 + KEPT_FOR_MS);
  };
  const issuer = simulatedIssuer(timeline, model, tally);
  const clock: Clock = {
    now: () => timeline.nowMs,
    schedule: (delayMs, action) => timeline.after(delayMs, action),
  };
  const brokers = Array.from({ length: model.replicas }, (_, i) => {
    const concerns = (id: string): boolean => {
      const { held, isRefreshing } = broker.inspect(keyOf.get(id)!);
      return held !== undefined || isRefreshing;
    };
    const store = redis.storeFor({ concerns, hear: () => {} });
    const broker: TokenBroker = new TokenBroker({
      store: new FailoverTokenStore(store, clock, defaultPolicy.storeGraceMs),
      issuer,
      policy: defaultPolicy,
      clock,
      replica: `replica-${i}`,
      random: timeline.random,
      onEvent: (event) => countEvent(tally, event),
    });
    return broker;
  });

  const choices = Math.min(model.replicasPerKey ?? brokers.length, brokers.length);
  const ask = (key: TokenKey, index: number): true | void => {
    const broker = brokers[(index + Math.floor(timeline.random() * choices)) % brokers.length]!;
    tally.add('requests');
    const held = broker.find(key, 0);
    if (!held) return void waitFor(broker, key);
    tally.add('from_memory');
    // Else it has set a renewal off.
    return timeline.nowMs < held.refreshAtMs || undefined;
  };
  const waitFor = async (broker: TokenBroker, key: TokenKey): Promise<void> => {
    const sinceMs = timeline.nowMs;
    await broker.get(key, 0).catch(() => tally.add('refused'));
    tally.addWait(timeline.nowMs - sinceMs);
  };
  const askLater = (key: TokenKey, index: number, shiftMs: number): void => {
    const atMs = nextRequestAtMs(model, shiftMs, timeline.nowMs, timeline.random);
    if (atMs === undefined || atMs > model.hours * HOUR_MS) return;
    timeline.after(atMs - timeline.nowMs, () => {
      askLater(key, index, shiftMs);
      return ask(key, index);
    });
  };
  const spreadMs = model.spreadMinutes * 60_000;
  for (const [index, key] of keys.entries()) askLater(key, index, timeline.between(-spreadMs, spreadMs));

  let heldAtMost = 0;
  let storedAtMost = 0;
  for (let atMs = QUARTER_MS; atMs <= model.hours * HOUR_MS; atMs += QUARTER_MS) {
    if (atMs % HOUR_MS === 0) onHour(atMs / HOUR_MS);
    await timeline.run(atMs);
    const held = brokers.reduce((sum, broker) => sum + heldBy(broker), 0) / brokers.length;
    heldAtMost = Math.max(heldAtMost, held);
    storedAtMost = Math.max(storedAtMost, [...storedUntilMs.values()].filter((untilMs) => untilMs > atMs).length);
  }
  return {
    model,
    totals: Object.fromEntries(COUNTS.map((each) => [each, tally.total(each)])) as Record<Count, number>,
    quarters: Object.fromEntries(COUNTS.map((each) => [each, tally.quarters(each)])) as Record<Count, number[]>,
    heldAtMost,
    storedAtMost,
    waits: { median: tally.wait(0.5), p99: tally.wait(0.99), longest: tally.wait(1) },
  };
}

function keysOf({ sample, keysPerClient }: Model): TokenKey[] {
  return Array.from({ length: sample }, (_, i) =>
    tokenKey({
      environment: 'production',
      tokenUrl: 'https://upstream.example/connect/token',
      client: `client-${Math.floor(i / keysPerClient)}`,
      credentialGeneration: 1,
      merchantVat: `DK${String(i).padStart(8, '0')}`,
    }),
  );
}

function simulatedIssuer(timeline: Timeline, { upstreamMs, lifeSeconds }: Model, tally: Tally): TokenIssuer {
  return {
    issue: async () => {
      tally.add('upstream_calls');
      await timeline.sleep(upstreamMs * timeline.between(0.5, 1.5));
      const token = new AccessToken(`token-${timeline.random()}`, 'Bearer', undefined);
      return { token, lifeMs: lifeSeconds * 1_000 };
    },
  };
}

function countEvent(tally: Tally, event: TokenEvent): void {
  if (event.kind === 'fault') throw new Error('the core reports a fault', { cause: event.error });
  if (event.kind === 'duplicate') tally.add('duplicates');
  if (event.kind === 'refreshed' && event.cause === 'ahead') tally.add('renewals_ahead');
}

/** Keys for which a replica has a token, or is getting one. */
function heldBy(broker: TokenBroker): number {
  const { states } = broker.overview();
  return KEY_STATES.reduce((sum, state) => sum + states[state], 0);
}
