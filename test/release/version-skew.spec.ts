import { setTimeout as sleep } from 'node:timers/promises';

import { Answers, askOne, type TimedAnswer } from '../support/answers.js';
import type { RunningBroker } from '../support/broker.js';
import { statusOf } from '../support/event-stream.js';
import { otherVersion } from '../support/other-version.js';
import { eventually } from '../support/processes.js';
import { RunningRedis } from '../support/redis.js';
import { expectNobodyHarmed, Replicas, type Wanted } from '../support/replicas.js';
import { RunningSandbox } from '../support/sandbox.js';

const merchant_vat = 'DK12345678';
/** In s. Tokens live so short that a test sees several of them. */
const LIFE = 8;
const MARGIN = 2;
/** When a token is renewed ahead, as a share of its life: by those who are to be first, and by the others. */
const [EARLY, LATE] = [0.4, 0.7];
/** Calls that are closer together are of one refresh cycle, in ms. */
const ONE_CYCLE_MS = (EARLY * LIFE * 1_000) / 2;
const CYCLES = 3;

/** What the newer version makes of tokens; and the older one, if the form is new to it, or if it was made ready for it. */
const NEWER = { writes: 2, reads: 2 };
const UNREAD = { writes: 1, reads: 1 };
const READ_FIRST = { writes: 1, reads: 2 };

let redis: RunningRedis;

beforeEach(async () => {
  redis = await RunningRedis.start();
});

afterEach(() => expectNobodyHarmed());

/** Asks every replica for each key, again and again. */
function keepAsking(replicas: Replicas, all: readonly Wanted[]) {
  const answers: TimedAnswer[] = [];
  const over = new AbortController();
  let last = new Answers([]);
  const asking = (async () => {
    while (!over.signal.aborted) {
      const round = replicas.alive.flatMap((each) => all.map((wanted) => askOne(each, replicas.callerKey, wanted)));
      last = new Answers(await Promise.all(round));
      answers.push(...last.all);
      await sleep(50);
    }
  })();
  return {
    /** What was asked last is answered. */
    async stop() {
      over.abort();
      await asking;
      return { all: answers, last };
    },
  };
}

/** The calls for a client, by refresh cycle. */
async function cyclesOf(replicas: Replicas, client: string): Promise<number[]> {
  const times = await replicas.callTimes(client);
  const starts = times.filter((atMs, i) => atMs - (times[i - 1] ?? -Infinity) > ONE_CYCLE_MS);
  return starts.map((start, i) => times.filter((ms) => ms >= start && ms < (starts[i + 1] ?? Infinity)).length);
}

/** Nobody complained of the other version: neither as an error, nor as of two that refreshed one token. */
function expectQuietLogs({ brokers }: Replicas): void {
  const loud = /"level":"(error|fatal)"|"event":"token_(duplicate|failed|lease_lost|fault)"/;
  const lines = brokers.flatMap(({ process }) => process.output().split('\n'));
  expect(lines.filter((line) => loud.test(line))).toEqual([]);
}

/** How many tokens a replica has got from MobilePay. */
const refreshesBy = ({ process }: RunningBroker) => process.output().match(/"event":"token_refreshed"/g)?.length ?? 0;

describe('two versions side by side on one Redis', () => {
  it.each([
    ['that one of them cannot read, renewed first by the newer one', UNREAD, [LATE, EARLY], 2, [CYCLES, CYCLES]],
    ['that one of them cannot read, renewed first by the older one', UNREAD, [EARLY, LATE], 1, [CYCLES, 0]],
    ['that both of them read, renewed first by the newer one', READ_FIRST, [LATE, EARLY], 1, [0, CYCLES]],
  ])(
    'with tokens %s: nobody has an error, and calls stay bounded',
    async (_, ofOlder, refreshAt, mostCallsInACycle, leastRefreshes) => {
      const sandbox = await RunningSandbox.start({ SANDBOX_EXPIRES_IN: String(LIFE) });
      const settings = (index: number) => ({
        REDIS_URL: redis.url,
        SAFETY_MARGIN_SECONDS: String(MARGIN),
        REFRESH_JITTER_SECONDS: '0',
        REFRESH_AT: String(refreshAt[index < 2 ? 0 : 1]),
      });
      const replicas = await Replicas.start(2, sandbox, settings, 2, otherVersion('0.2.0', { token: ofOlder }));
      const newer = otherVersion('0.3.0', { token: NEWER });
      await Promise.all([replicas.add(newer), replicas.add(newer)]);
      const clients = [replicas.aClient(), replicas.aClient()];
      const load = keepAsking(
        replicas,
        clients.map((client) => ({ client, merchant_vat })),
      );
      const cycles = await eventually(async () => {
        const found = await Promise.all(clients.map((client) => cyclesOf(replicas, client)));
        // The last one may not be over yet.
        return found.every(({ length }) => length > CYCLES + 1) ? found.map((each) => each.slice(0, -1)) : undefined;
      }, 45_000);
      const { all, last } = await load.stop();
      expect(all.filter(({ status, json }) => status !== 200 || Number(json['expires_in']) < MARGIN)).toEqual([]);
      await last.expectAlive(sandbox, MARGIN);
      for (const [first, ...others] of cycles) {
        // At first nobody has a token: whoever reads none of the other's fetches its own.
        expect(first).toBeLessThanOrEqual(ofOlder.reads === 1 ? 2 : 1);
        expect(Math.max(...others)).toBeLessThanOrEqual(mostCallsInACycle);
      }
      expectQuietLogs(replicas);
      // Where each cycle costs a call of each, both have a hand in it; else whoever is first does it for all.
      for (const [version, least] of leastRefreshes.entries()) {
        const ofVersion = replicas.brokers.slice(2 * version, 2 * version + 2);
        expect(ofVersion.reduce((sum, each) => sum + refreshesBy(each), 0)).toBeGreaterThanOrEqual(least);
      }
    },
    90_000,
  );

  it('a rollout and its roll-back, under load, cost one call when a token came that the older version cannot read', async () => {
    const sandbox = await RunningSandbox.start();
    const replicas = await Replicas.start(2, sandbox, { REDIS_URL: redis.url }, 2);
    const newer = otherVersion('0.2.0', { token: NEWER });
    const clients = [replicas.aClient(), replicas.aClient()];
    const calls = () => Promise.all(clients.map((client) => replicas.calls(client)));
    const load = keepAsking(
      replicas,
      clients.map((client) => ({ client, merchant_vat })),
    );
    const replaceAll = async (from?: string) => {
      for (const before of replicas.alive) {
        await replicas.add(from);
        await replicas.stop([before]);
      }
    };
    await eventually(async () => (await calls()).every((each) => each === 1) || undefined);

    await replaceAll(newer);
    // The newer version reads what the older one wrote.
    expect(await calls()).toEqual([1, 1]);
    const [first] = replicas.alive as [RunningBroker];
    for (const client of clients) {
      const { json } = await first.token(replicas.callerKey, { client, merchant_vat });
      const bad = { client, merchant_vat, token_id: json['token_id'] };
      expect((await first.invalidate(replicas.callerKey, bad)).json).toEqual({ invalidated: true });
    }
    await eventually(async () => (await calls()).every((each) => each === 2) || undefined);

    await replaceAll();
    const { all, last } = await load.stop();
    expect(await calls()).toEqual([3, 3]);
    expect(all.filter(({ status }) => status !== 200)).toEqual([]);
    await last.expectAlive(sandbox);
    expect(last.tokenIds).toHaveLength(clients.length);
    expectQuietLogs(replicas);
  }, 90_000);

  it('show each other to operators, and a bad token of the other one is dropped by its id', async () => {
    const sandbox = await RunningSandbox.start();
    const replicas = await Replicas.start(1, sandbox, { REDIS_URL: redis.url }, 1);
    const [older] = replicas.brokers as [RunningBroker];
    const newer = await replicas.add(otherVersion('0.2.0', { token: NEWER }));
    const client = replicas.aClient();
    const { json } = await newer.token(replicas.callerKey, { client, merchant_vat });
    for (const broker of replicas.alive) {
      const status = await eventually(async () => {
        const seen = await statusOf(broker);
        return seen.replicas.length === 2 && seen.events.some(({ kind }) => kind === 'refreshed') ? seen : undefined;
      });
      expect(status.replicas.map(({ version }) => version).toSorted()).toEqual(['0.1.0', '0.2.0']);
      expect(status.health).toBe('ok');
      expect(await replicas.shared(client, broker)).toMatchObject([{ state: 'fresh', token_id: json['token_id'] }]);
    }
    const bad = { client, merchant_vat, token_id: json['token_id'] };
    expect((await older.invalidate(replicas.callerKey, bad)).json).toEqual({ invalidated: true });
    await eventually(async () => {
      const again = await newer.token(replicas.callerKey, { client, merchant_vat });
      return again.json['token_id'] !== json['token_id'] || undefined;
    });
    expectQuietLogs(replicas);
  }, 40_000);
});
