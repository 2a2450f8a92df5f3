import { join } from 'node:path';

import { RedisVaultStore } from '#redis';
import {
  addSecret,
  FileVaultStore,
  KeyRing,
  MemoryVaultStore,
  replaceCaller,
  Secret,
  Vault,
  type VaultStore,
} from '#vault';

import { serialise } from '../../libs/vault/src/records.js';

import { aFolder } from '../support/folder.js';
import { aLink } from '../support/redis-link.js';
import { RunningRedis } from '../support/redis.js';
import { describeVaultStore } from './vault-store.js';

let redis: RunningRedis;
let opened = 0;

beforeAll(async () => {
  redis = await RunningRedis.start();
});

describeVaultStore('memory vault store', async () => new MemoryVaultStore());
describeVaultStore('file vault store', async () => new FileVaultStore(join(aFolder(), 'deep/vault.json')));
describeVaultStore(
  'Redis vault store',
  async () => new RedisVaultStore(await aLink(redis.port, { prefix: `vault-${(opened += 1)}:` }), () => {}),
);

it('a backup of one kind of store is restored into another, and back, and loses nothing', async () => {
  const ring = KeyRing.parse(KeyRing.generate('test'));
  const open = (store: VaultStore) => Vault.open(store, ring, Date.now);
  const everything = (vault: Vault) =>
    [...vault.clients, ...vault.callers].map((each) => JSON.parse(serialise(each)) as unknown);
  const file = await open(new FileVaultStore(join(aFolder(), 'vault.json')));
  const [name, clientSecret] = ['acme', new Secret('every printable: +%:"\'\\ æøå 🔑')];
  await file.saveClients([{ name, environment: 'sandbox', clientId: 'æ-id', clientSecret, extraHeaders: { a: 'b' } }]);
  await file.changeClient(name, (client, at) => client && addSecret(client, new Secret('second'), at));
  await file.changeCaller('shop', (current, at) =>
    replaceCaller(current, 'shop', { roles: ['token'], grants: [] }, at),
  );
  await file.addCallerKey('shop', 60);

  const inRedis = await open(new RedisVaultStore(await aLink(redis.port, { prefix: 'restored:' }), () => {}));
  await inRedis.restore(await file.backup());
  expect(everything(inRedis)).toEqual(everything(file));
  const back = await open(new FileVaultStore(join(aFolder(), 'vault.json')));
  await back.restore(await inRedis.backup());
  expect(everything(back)).toEqual(everything(file));
});
