import { eventually } from '../support/processes.js';
import { Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';
import { bearer, call } from '../support/http.js';
import { expectOneToken, merchant_vat, refreshUnderWay } from './refresh.js';
import { row } from './row.js';

let replicas: Replicas;
let redis: RunningRedis;

beforeAll(async () => {
  const [sandbox, started] = await Promise.all([RunningSandbox.start(), RunningRedis.start()]);
  redis = started;
  replicas = await Replicas.start(4, sandbox, { REDIS_URL: redis.url });
}, 240_000);

row(10, 'pub/sub connections killed mid-wait', '1', async () => {
  const refresh = await refreshUnderWay(replicas, 800);
  expect(await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(replicas.alive.length);
  const answers = await refresh.asked();
  await expectOneToken(replicas, refresh, answers);
  return { calls: 1, slowestMs: answers.slowestMs, also: 'of which the upstream took 800 ms' };
});

row(11, 'all command connections killed, three times', '1', async () => {
  const refresh = await refreshUnderWay(replicas, 1_500);
  for (let time = 1; time <= 3; time += 1) {
    const killed = await eventually(async () => {
      const list = String(await redis.client.client('LIST'));
      const ours = list.split('\n').filter((line) => line.includes('name=token-broker') && line.includes(' sub=0'));
      return ours.length >= replicas.alive.length ? redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal') : undefined;
    });
    expect(killed).toBeGreaterThanOrEqual(replicas.alive.length);
  }
  const answers = await refresh.asked();
  await expectOneToken(replicas, refresh, answers);
  return { calls: 1, slowestMs: answers.slowestMs, also: 'of which the upstream took 1500 ms' };
});

row(26, 'SCRIPT FLUSH', 'unchanged', async () => {
  const refresh = await refreshUnderWay(replicas, 500);
  await redis.client.script('FLUSH');
  const answers = await refresh.asked();
  await expectOneToken(replicas, refresh, answers);
  return { calls: 1, slowestMs: answers.slowestMs, also: 'of which the upstream took 500 ms' };
});

row(28, 'credentials replaced mid-refresh', 'the old generation’s late token never serves the new one', async () => {
  const refresh = await refreshUnderWay(replicas, 1_500);
  const { client } = refresh.wanted;
  const generations = () =>
    Promise.all(
      replicas.alive.map(async ({ url, adminKey }) => {
        const { json } = await call('GET', `${url}/v1/clients`, { headers: bearer(adminKey) });
        const items = json['items'] as { name: string; generation: number }[];
        return items.find(({ name }) => name === client)?.generation ?? 0;
      }),
    );
  const [before = 0] = await generations();
  await replicas.brokers[0]!.replaceClient(client, 'another-secret-of-the-client');
  await eventually(async () => (await generations()).every((each) => each > before) || undefined);
  // Some while the old token is still on its way, some when it has come.
  const during = await replicas.askAll(40, refresh.wanted);
  const old = await refresh.asked();
  const after = await replicas.askAll(40, refresh.wanted);
  await during.and(after).expectAlive(replicas.sandbox);
  expect(during.and(after).tokenIds).toHaveLength(1);
  expect(old.tokenIds.filter((id) => during.tokenIds.includes(id))).toEqual([]);
  expect(await refresh.calls()).toBe(2);
  return {
    calls: '1 call for each generation',
    slowestMs: during.slowestMs,
    also: `the old one’s callers got ${old.statuses.join(' and ')}`,
  };
});

row(29, '100 reports of one bad token', '1 refresh', async () => {
  const client = replicas.aClient();
  const before = await replicas.askAll(40, { client, merchant_vat });
  const [{ json: old }] = before.all as [(typeof before.all)[0]];
  await replicas.sandbox.revokeTokens();
  const which = [{ token_id: old['token_id'] }, { access_token: old['access_token'] }];
  const reports = await Promise.all(
    Array.from({ length: 100 }, (_, n) => {
      const broker = replicas.alive[n % replicas.alive.length]!;
      return broker.invalidate(replicas.callerKey, { client, merchant_vat, ...which[(n >> 2) % 2] });
    }),
  );
  expect(reports.filter(({ json }) => json['invalidated'] === true)).toHaveLength(1);
  // Every replica lets go of it as soon as it has heard.
  const answers = await eventually(async () => {
    const asked = await replicas.askAll(40, { client, merchant_vat });
    return asked.tokenIds.includes(old['token_id']) ? undefined : asked;
  });
  await answers.expectAlive(replicas.sandbox);
  expect(answers.tokenIds).toHaveLength(1);
  expect(await replicas.calls(client)).toBe(2);
  return { calls: '1 more call', slowestMs: answers.slowestMs };
});
