import { setTimeout as sleep } from 'node:timers/promises';

import { KeyRing } from '#vault';

import { askOne, type TimedAnswer } from '../support/answers.js';
import type { RunningBroker } from '../support/broker.js';
import { bearer, call, callJson } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { RunningRedis } from '../support/redis.js';
import { expectNobodyHarmed, Replicas } from '../support/replicas.js';
import { RunningSandbox } from '../support/sandbox.js';
import { signedIn, signIn } from '../support/session.js';
import { SettingsFiles, SettingsLog } from '../support/settings-files.js';

const [old, next] = ['old', 'next'].map((id) => KeyRing.generate(id)) as [string, string];

/** Two replicas with nothing in common but Redis, each with files of its own. */
async function twoReplicas() {
  const [redis, sandbox] = [await RunningRedis.start(), await RunningSandbox.start({ SANDBOX_LATENCY_MS: '20' })];
  const files = [old, old].map((ring) => new SettingsFiles({}, ring));
  const settings = { REDIS_URL: redis.url, VAULT_STORE: 'redis', VAULT_KEYS: '', UPSTREAM_RETRIES: '0' };
  const replicas = await Replicas.start(2, sandbox, (index) => ({ ...settings, ...files[index]!.env }), 1);
  const [one, other] = replicas.brokers as [RunningBroker, RunningBroker];
  const logs = replicas.brokers.map((broker) => new SettingsLog(broker));
  /** Gives a replica a ring, and waits until it is taken over or refused. */
  const give = (replica: 0 | 1, ring: readonly string[], event = 'reloaded') => {
    files[replica]!.keys = ring.join(',');
    return logs[replica]!.change(files[replica]!, 'file', event);
  };
  const health = async (broker: RunningBroker) =>
    Object((await call('GET', `${broker.url}/health`, { headers: bearer(broker.adminKey) })).json['details']).vault;
  return { redis, replicas, one, other, give, logs, health, client: replicas.aClient() };
}

type Setup = Awaited<ReturnType<typeof twoReplicas>>;

/** Callers of both replicas without end: half of them ask for what nobody has asked for yet. */
function load({ replicas, client }: Setup) {
  const refused: TimedAnswer[] = [];
  const over = new AbortController();
  let answers = 0;
  const caller = async (_: unknown, n: number): Promise<void> => {
    for (let i = 0; !over.signal.aborted; i += 1) {
      const merchant_vat = `DK${String(n % 2 ? i % 20 : 1_000_000 * (n + 1) + i).padStart(8, '0')}`;
      const answer = await askOne(replicas.brokers[(n + i) % 2]!, replicas.callerKey, { client, merchant_vat });
      answers += 1;
      if (answer.status !== 200) refused.push(answer);
      await sleep(20);
    }
  };
  const callers = Promise.all(Array.from({ length: 6 }, caller));
  return {
    refused,
    async stop(): Promise<number> {
      over.abort();
      await callers;
      return answers;
    },
  };
}

it('master keys are rotated on two replicas that go on running, one after the other, and nobody is refused', async () => {
  const setup = await twoReplicas();
  const { replicas, one, other, give, health, client } = setup;
  const tokens = load(setup);
  const admin = bearer(one.adminKey);
  const opensOnBoth = async (name: string) => {
    for (const broker of replicas.brokers) {
      await eventually(
        async () => (await callJson('POST', `${broker.url}/v1/clients/${name}/test`, {}, admin)).json['accepted'],
        2_000,
      );
    }
  };
  const annas = await one.addCaller('anna', ['ops']);
  const session = await signIn(one.url, annas);

  // What only one of them seals with the new key, the other one opens: at every step.
  await give(0, [old, next]);
  await opensOnBoth(client);
  await give(1, [old, next]);
  await give(0, [next, old]);
  await one.addClient('under-next');
  await other.addClient('under-old');
  await opensOnBoth('under-next');
  await opensOnBoth('under-old');
  const later = await signIn(one.url, annas);
  for (const value of [session, later]) expect((await signedIn(other.url, value)).status).toBe(200);
  await give(1, [next, old]);
  await eventually(async () => (await health(other)).outdated > 0 || undefined, 3_000);

  // Not before the records have it.
  expect(await give(1, [next], 'unusable')).toMatchObject({ reason: expect.stringMatching(/\(old: \d+\): .*rekey$/) });
  await opensOnBoth('under-old');
  expect((await callJson('POST', `${one.url}/v1/vault/rekey`, {}, admin)).json).toMatchObject({ left: 0, locked: [] });
  await eventually(async () => (await health(other)).outdated === 0 || undefined, 3_000);
  // By itself, since that is what its file still says.
  await eventually(() => setup.logs[1]!.of('reloaded').length === 3 || undefined, 15_000);
  await give(0, [next]);

  for (const name of [client, 'under-next', 'under-old']) await opensOnBoth(name);
  await one.addClient('after-all');
  await opensOnBoth('after-all');
  expect((await signedIn(other.url, later)).status).toBe(200);
  expect((await signedIn(other.url, session)).status).toBe(401);
  for (const broker of replicas.brokers) {
    await eventually(async () => (await health(broker)).outdated === 0 || undefined, 3_000);
    expect(await health(broker)).toMatchObject({ locked: 0 });
  }
  await sleep(300);
  expect(await tokens.stop()).toBeGreaterThan(200);
  expect(tokens.refused).toEqual([]);
  for (const { process } of replicas.brokers) {
    expect(process.output().split('"event":"started"')).toHaveLength(2);
  }
  expectNobodyHarmed();
}, 60_000);

it('a record that is locked for want of a key opens as soon as the key is there', async () => {
  const { one, other, give, health } = await twoReplicas();
  await give(0, [next, old]);
  await one.addClient('locked-here');
  await eventually(async () => (await health(other)).locked === 1 || undefined);
  await give(1, [old, next]);
  const read = () => call('GET', `${other.url}/v1/clients/locked-here`, { headers: bearer(other.adminKey) });
  await eventually(async () => (await read()).status === 200 || undefined, 1_000);
  // Which is looked at now and then, in the background.
  await eventually(async () => (await health(other)).locked === 0 || undefined);
  expectNobodyHarmed();
}, 30_000);

it('a key cannot be dropped while the vault is away, and is dropped when it is back', async () => {
  const { redis, replicas, give, logs } = await twoReplicas();
  await give(0, [old, next]);
  redis.stall();
  expect(await give(0, [old], 'unusable')).toMatchObject({ reason: expect.stringContaining('cannot be read') });
  redis.resume();
  await replicas.untilRedisIs('up');
  await eventually(() => {
    logs[0]!.hangUp();
    return logs[0]!.of('reloaded')[1];
  });
}, 60_000);
