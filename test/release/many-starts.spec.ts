import { expectNobodyHarmed, Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

const REPLICAS = 20;
const MERCHANTS = Array.from({ length: 25 }, (_, n) => `DK${10_000_000 + n}`);

/** All that a start may take on two cores with 19 others. */
const LIMIT_MS = 120_000;

let sandbox: RunningSandbox;
let replicas: Replicas;
let client: string;

/** Every merchant's token from every replica, all at once. */
async function askEverything() {
  const answers = await Promise.all(
    MERCHANTS.map((merchant_vat) => replicas.askAll(replicas.alive.length, { client, merchant_vat })),
  );
  return answers.flatMap(({ all }) => all);
}

it(
  `${REPLICAS} replicas that start at once make no burst upstream`,
  async () => {
    const redis = await RunningRedis.start();
    sandbox = await RunningSandbox.start({ SANDBOX_LATENCY_MS: '200' });
    replicas = await Replicas.start(REPLICAS, sandbox, { REDIS_URL: redis.url, VAULT_STORE: 'redis' }, 1);
    client = replicas.aClient();
    expect(await replicas.calls(client)).toBe(0);
    // All of them cold, and asked at once: a call per key, and no more than five at once.
    const answers = await askEverything();
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const times = await replicas.callTimes(client);
    expect(times).toHaveLength(MERCHANTS.length);
    const atOnce = times.map((atMs) => times.filter((other) => other >= atMs && other < atMs + 200).length);
    expect(Math.max(...atOnce)).toBeLessThanOrEqual(5);
    // And anew, as after a change of the image: Redis has every token.
    await replicas.stop();
    await Promise.all(Array.from({ length: REPLICAS }, () => replicas.add()));
    const anew = await askEverything();
    expect(anew.filter(({ status }) => status !== 200)).toEqual([]);
    expect(await replicas.calls(client)).toBe(MERCHANTS.length);
    expectNobodyHarmed();
  },
  LIMIT_MS,
);
