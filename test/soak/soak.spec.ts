import { setTimeout as sleep } from 'node:timers/promises';

import { askOne, type TimedAnswer } from '../support/answers.js';
import { expectNobodyHarmed, Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

/** How long the faults go on; before that, a fifth of it without any. */
const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 5);
const REPLICAS = 3;
const CLIENTS = 4;
const MERCHANTS = 50;
const LIFE_SECONDS = 30;
const MARGIN_SECONDS = 5;
const CALLERS = 20;
const PAUSE_MS = 50;
/** A token of 30 s is renewed at 22.5 s, less a jitter of at most 3 s: what comes sooner is not a cycle of its own. */
const SHORTEST_CYCLE_MS = 15_000;
const REDIS_DOWN_MS = 1_000;

/** Timings in proportion to tokens of half a minute. */
const settings = {
  SAFETY_MARGIN_SECONDS: String(MARGIN_SECONDS),
  LEASE_MS: '2000',
  LEASE_RENEW_MS: '500',
  REFRESH_LEASE_MS: '2000',
  REFRESH_LEASE_RENEW_MS: '500',
  LOG_LEVEL: 'warn',
};

/** Errors that the matrix allows: of the connection to a replica that was killed, and of one that cannot be asked yet. */
function isAllowed({ status, broker }: TimedAnswer): boolean {
  return status === 0 && broker.process.child.killed;
}

interface Tally {
  answers: number;
  slowestMs: number;
  readonly wrong: string[];
}

it(
  `${REPLICAS} replicas, ${CLIENTS * MERCHANTS} keys, tokens of ${LIFE_SECONDS} s, ${MINUTES} minutes of faults`,
  async () => {
    let redis = await RunningRedis.start();
    const sandbox = await RunningSandbox.start({ SANDBOX_EXPIRES_IN: String(LIFE_SECONDS), SANDBOX_LATENCY_MS: '100' });
    const replicas = await Replicas.start(REPLICAS, sandbox, { ...settings, REDIS_URL: redis.url }, CLIENTS);
    const clients = Array.from({ length: CLIENTS }, () => replicas.aClient());
    const random = (count: number) => Math.floor(Math.random() * count);
    const tally: Tally = { answers: 0, slowestMs: 0, wrong: [] };
    const over = new AbortController();

    const askOnAndOn = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const broker = replicas.alive[random(replicas.alive.length)]!;
        const merchant_vat = `DK${10_000_000 + random(MERCHANTS)}`;
        const answer = await askOne(broker, replicas.callerKey, { client: clients[random(CLIENTS)], merchant_vat });
        tally.answers += 1;
        tally.slowestMs = Math.max(tally.slowestMs, answer.ms);
        const { status, json } = answer;
        const isDead = status === 200 && Number(json['expires_in']) < MARGIN_SECONDS;
        if (isDead || (status !== 200 && !isAllowed(answer))) {
          tally.wrong.push(`${status} ${String(json['code'])} ${String(json['detail'])} ${String(json['expires_in'])}`);
        }
        if (status === 200 && random(50) === 0) {
          const stores = await sandbox.pointOfSale('stores', String(json['access_token']));
          if (stores.status !== 200) tally.wrong.push(`PoS V10 answered ${stores.status}`);
        }
        await sleep(PAUSE_MS);
      }
    };
    const callers = Array.from({ length: CALLERS }, askOnAndOn);

    const say = (text: string) =>
      process.stdout.write(`soak: ${text}; ${tally.answers} answers, slowest ${Math.round(tally.slowestMs)} ms\n`);
    await sleep(MINUTES * 12_000);
    const quiet = callsPerCycle((await sandbox.stats()).clients.map(({ times }) => times));
    say(`${quiet.calls} calls in ${quiet.cycles} cycles without faults, ratio ${quiet.ratio.toFixed(3)}`);

    for (let minute = 1; minute <= MINUTES; minute += 1) {
      const victim = replicas.alive[random(replicas.alive.length)]!;
      replicas.kill(victim);
      await sleep(2_000);
      await replicas.add();
      await sleep(28_000);
      await redis.stop('SIGKILL');
      await sleep(REDIS_DOWN_MS);
      redis = await redis.startAgain();
      await sleep(29_000 - REDIS_DOWN_MS);
      say(`minute ${minute}, one replica and Redis killed`);
    }
    over.abort();
    await Promise.all(callers);

    const all = callsPerCycle((await sandbox.stats()).clients.map(({ times }) => times));
    say(`${all.calls} calls in ${all.cycles} cycles in all, ratio ${all.ratio.toFixed(3)}`);
    expect(tally.wrong).toEqual([]);
    expect(tally.answers).toBeGreaterThan(MINUTES * 1_000);
    expect(quiet.ratio).toBeLessThanOrEqual(1.1);
    expectNobodyHarmed();
  },
  (MINUTES + 3) * 90_000,
);

/** How many calls there were for each cycle of a key: calls closer together than a cycle can be are of the same one.
 *  @param times of the calls of each key, in ms */
function callsPerCycle(times: readonly (readonly number[])[]) {
  let [calls, cycles] = [0, 0];
  for (const ofKey of times) {
    calls += ofKey.length;
    let startedAtMs = -Infinity;
    for (const atMs of ofKey.toSorted((a, b) => a - b)) {
      if (atMs - startedAtMs < SHORTEST_CYCLE_MS) continue;
      cycles += 1;
      startedAtMs = atMs;
    }
  }
  return { calls, cycles, ratio: calls / cycles };
}
