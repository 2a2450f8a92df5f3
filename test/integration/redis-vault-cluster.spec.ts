import { RedisVaultStore, type RedisVaultWarning } from '#redis';

import { RunningCluster } from '../support/cluster.js';
import { eventually } from '../support/processes.js';
import { aLink } from '../support/redis-link.js';
import type { RunningRedis } from '../support/redis.js';

const VAULT = 'test:{vault}';

let cluster: RunningCluster;
let master: RunningRedis;
let others: RunningRedis[];
let store: RedisVaultStore;
let warnings: RedisVaultWarning[];

beforeAll(async () => {
  cluster = await RunningCluster.start();
  const link = await aLink(cluster.masters[0]!.port, {
    at: { kind: 'cluster', nodes: cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port })) },
  });
  store = new RedisVaultStore(link, (warning) => warnings.push(warning));
  warnings = [];
  await store.write([{ name: 'client/acme', expectedVersion: 0, version: 1, sealed: 'sealed' }]);
  ({ master } = await cluster.findKey(VAULT));
  others = cluster.masters.filter((each) => each !== master);
}, 60_000);

beforeEach(() => {
  warnings = [];
});

async function mayDrop(nodes: readonly RunningRedis[], policy: string): Promise<void> {
  for (const { client } of nodes) await client.config('SET', 'maxmemory', '100mb', 'maxmemory-policy', policy);
}

it('the master that holds the vault is asked whether it could drop it, and no other', async () => {
  await mayDrop(others, 'allkeys-lru');
  for (let i = 0; i < 10; i += 1) await store.check();
  await mayDrop(others, 'noeviction');
  await mayDrop([master], 'allkeys-lru');
  for (let i = 0; i < 10; i += 1) await expect(store.check()).rejects.toMatchObject({ code: 'unreadable' });
  await mayDrop([master], 'noeviction');
});

it('its replica is waited for, and no other', async () => {
  const replica = cluster.replicas[cluster.masters.findIndex((each) => each === master)]!;
  const write = (version: number) =>
    store.write([{ name: 'client/acme', expectedVersion: version, version: version + 1, sealed: 'sealed' }]);
  await eventually(async () => {
    await master.client.hset(VAULT, 'client/probe', '1 x');
    return (await master.client.wait(1, 500)) === 1 || undefined;
  }, 10_000);
  for (const each of cluster.replicas) if (each !== replica) each.stall();
  for (const version of [1, 2, 3]) await write(version);
  expect(warnings).toEqual([]);
  for (const each of cluster.replicas) each.resume();
  replica.stall();
  await write(4);
  replica.resume();
  expect(warnings).toEqual(['write_not_acknowledged']);
  await Promise.all(cluster.nodes.map((each) => each.stop('SIGKILL')));
}, 20_000);
