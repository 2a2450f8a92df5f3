import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { askOne, type TimedAnswer } from '../support/answers.js';
import { bearer, call, callJson } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { expectNobodyHarmed, Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

interface ShownSecret {
  readonly fingerprint: string;
  readonly accepted_at?: string;
  readonly rejected_at?: string;
}

it('a secret is rotated on three replicas under load, and nobody is refused a token', async () => {
  const [redis, sandbox] = [await RunningRedis.start(), await RunningSandbox.start({ SANDBOX_LATENCY_MS: '20' })];
  const settings = { REDIS_URL: redis.url, VAULT_STORE: 'redis', UPSTREAM_RETRIES: '0' };
  const replicas = await Replicas.start(3, sandbox, settings, 1);
  const client = replicas.aClient();
  const admin = bearer(replicas.brokers[0]!.adminKey);
  const at = (replica: number, path = '') => `${replicas.brokers[replica]!.url}/v1/clients/${client}${path}`;
  const secrets = async (replica = 0) =>
    (await call('GET', at(replica), { headers: admin })).json['secrets'] as ShownSecret[];
  const onAll = (holds: (shown: ShownSecret[]) => boolean) =>
    eventually(async () => (await Promise.all([0, 1, 2].map(secrets))).every(holds) || undefined, 2_000);

  const refused: TimedAnswer[] = [];
  let answers = 0;
  const over = new AbortController();
  // Half of the callers ask for what nobody has asked for yet: only those meet the upstream.
  const caller = async (_: unknown, n: number): Promise<void> => {
    for (let i = 0; !over.signal.aborted; i += 1) {
      const merchant_vat = `DK${String(n % 2 ? n : 1_000_000 * (n + 1) + i).padStart(8, '0')}`;
      const answer = await askOne(replicas.brokers[(n + i) % 3]!, replicas.callerKey, { client, merchant_vat });
      answers += 1;
      if (answer.status !== 200) refused.push(answer);
      await sleep(20);
    }
  };
  const load = Promise.all(Array.from({ length: 8 }, caller));

  await sleep(500);
  const next = randomBytes(12).toString('base64');
  expect((await callJson('POST', at(0, '/secrets'), { client_secret: next }, admin)).status).toBe(201);
  await onAll((shown) => shown.length === 2);
  await sleep(500);
  await sandbox.register(`${client}-id`, next);
  await onAll(([newest, old]) => newest?.accepted_at !== undefined && old?.rejected_at !== undefined);
  await sleep(500);
  expect((await callJson('POST', at(1, '/test'), {}, admin)).json['accepted']).toBe(true);
  const [, old] = await secrets();
  expect((await call('DELETE', at(2, `/secrets/${old!.fingerprint}`), { headers: admin })).status).toBe(200);
  await onAll((shown) => shown.length === 1);
  await sleep(500);
  over.abort();
  await load;

  expect(refused).toEqual([]);
  expect(answers).toBeGreaterThan(200);
  expectNobodyHarmed();
}, 30_000);
