import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { RedisVaultStore } from '#redis';
import {
  addSecret,
  DirectoryVaultStore,
  FileVaultStore,
  MemoryVaultStore,
  Sealer,
  Secret,
  Vault,
  VAULT_PURPOSE,
  type VaultStore,
} from '#vault';

import { serialise } from '../../libs/vault/src/records.js';

import { aFolder } from '../support/folder.js';
import { aLink } from '../support/redis-link.js';
import { RunningRedis } from '../support/redis.js';
import { putCaller, ring } from '../support/vault.js';
import { describeVaultStore } from './vault-store.js';
import { describeVaultStoreReads, NEWER, writtenByVault } from './vault-store-reads.js';

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

describeVaultStoreReads('memory vault store', () => writtenByVault(new MemoryVaultStore()));
describeVaultStoreReads('file vault store', () => {
  const path = join(aFolder(), 'vault.json');
  return writtenByVault(new FileVaultStore(path), new FileVaultStore(path));
});
describeVaultStoreReads('Redis vault store', async () => {
  const prefix = `read-${(opened += 1)}:`;
  const [ours, theirs] = [await aLink(redis.port, { prefix }), await aLink(redis.port, { prefix })];
  return writtenByVault(new RedisVaultStore(ours, () => {}), new RedisVaultStore(theirs, () => {}));
});
describeVaultStoreReads('directory vault store', async () => {
  const path = aFolder();
  return {
    store: new DirectoryVaultStore(path, new Sealer(ring), VAULT_PURPOSE),
    put: (name, client_secret) =>
      writeFile(
        join(path, `${name}.json`),
        JSON.stringify({ environment: 'sandbox', client_id: 'acme-id', client_secret }),
      ),
    putNewer: (name) => writeFile(join(path, `${name}.json`), JSON.stringify({ format: NEWER, its: 'own' })),
    remove: (name) => rm(join(path, `${name}.json`)),
  };
});

it('a backup of one kind of store is restored into another, and back, and loses nothing', async () => {
  const open = (store: VaultStore) => Vault.open(store, ring, Date.now);
  const everything = (vault: Vault) =>
    [...vault.clients, ...vault.callers].map((each) => JSON.parse(serialise(each)) as unknown);
  const file = await open(new FileVaultStore(join(aFolder(), 'vault.json')));
  const [name, clientSecret] = ['acme', new Secret('every printable: +%:"\'\\ æøå 🔑')];
  await file.saveClients([{ name, environment: 'sandbox', clientId: 'æ-id', clientSecret, extraHeaders: { a: 'b' } }]);
  await file.changeClient(name, (client, at) => client && addSecret(client, new Secret('second'), at));
  await putCaller(file, 'shop');
  await file.addCallerKey('shop', 60);

  const inRedis = await open(new RedisVaultStore(await aLink(redis.port, { prefix: 'restored:' }), () => {}));
  await inRedis.restore(await file.backup());
  expect(everything(inRedis)).toEqual(everything(file));
  const back = await open(new FileVaultStore(join(aFolder(), 'vault.json')));
  await back.restore(await inRedis.backup());
  expect(everything(back)).toEqual(everything(file));
});
