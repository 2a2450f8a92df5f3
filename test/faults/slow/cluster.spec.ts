import { RunningCluster } from '../../support/cluster.js';
import { Replicas } from '../../support/replicas.js';
import { RunningSandbox } from '../../support/sandbox.js';
import { expectOneToken, merchant_vat, PATIENT, refreshUnderWay } from '../refresh.js';
import { row } from '../row.js';

let cluster: RunningCluster;
let replicas: Replicas;

beforeAll(async () => {
  const [sandbox, started] = await Promise.all([RunningSandbox.start(), RunningCluster.start()]);
  cluster = started;
  replicas = await Replicas.start(4, sandbox, { ...cluster.settings, ...PATIENT }, 10);
}, 240_000);

row(21, 'Cluster: slot migrated under a lease', '1', async () => {
  const refresh = await refreshUnderWay(replicas, 1_500);
  const { master, key } = await cluster.findKey('tb:{k:*');
  await cluster.moveSlot(
    key,
    master,
    cluster.masters.find((each) => each !== master)!,
  );
  const answers = await refresh.asked();
  await expectOneToken(replicas, refresh, answers);
  await cluster.untilServed();
  return { calls: 1, slowestMs: answers.slowestMs, also: 'of which the upstream took 1500 ms' };
});

row(22, 'Cluster: master kill -9 under a lease', '1 (2 if the lease was not replicated)', async () => {
  await Promise.all(cluster.masters.map(({ client }) => client.flushall()));
  const refresh = await refreshUnderWay(replicas, 1_000);
  const { master } = await cluster.findKey('tb:{k:*');
  // The lease is on its replica as well, or two calls would be in order.
  expect(await master.client.wait(1, 1_000)).toBeGreaterThanOrEqual(1);
  await master.stop('SIGKILL');
  // Keys that nobody holds a lease on: about two of these lie with the master that is gone.
  const cold = Array.from({ length: 6 }, () => ({ client: replicas.aClient(), merchant_vat }));
  const coldAnswers = await Promise.all(cold.map((wanted) => replicas.askAll(8, wanted)));
  const answers = await refresh.asked();
  await cluster.untilServed([master]);
  await replicas.untilRedisIs('up');
  await expectOneToken(replicas, refresh, answers);
  for (const each of coldAnswers) await each.expectAlive(replicas.sandbox);
  const calls = await Promise.all(cold.map(({ client }) => replicas.calls(client)));
  expect(calls).toEqual(cold.map(() => 1));
  const slowestCold = Math.max(...coldAnswers.map((each) => each.slowestMs));
  const also = `of which the upstream took 1000 ms; 1 call for each of 6 cold keys, slowest ${slowestCold} ms`;
  return { calls: 1, slowestMs: answers.slowestMs, also };
});
