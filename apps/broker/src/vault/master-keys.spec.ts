import { KeyRing, MemoryVaultStore, Vault, type VaultStore, VaultError } from '#vault';

import { acme, NOW } from '../../../../test/support/vault.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { MasterKeys } from './master-keys.js';
import type { VaultFollower } from './vault-follower.js';

const [old, next, other] = ['old', 'next', 'other'].map((id) => KeyRing.generate(id)) as [string, string, string];

/** A vault with two records under the key `old`, and what changes its keys. */
async function aVault() {
  const store = new MemoryVaultStore();
  const ring = KeyRing.parse(old);
  const vault = await Vault.open(store, ring, () => NOW);
  await vault.saveClients([acme(), acme('s', { name: 'two' })]);
  const follower = { follow: () => vault.reload().catch(() => {}) } as Partial<VaultFollower> as VaultFollower;
  const keysOver = (over: VaultStore) =>
    new MasterKeys(
      { vaultKeys: ring, vaultStore: 'redis' } as Partial<BrokerConfig> as BrokerConfig,
      over,
      vault,
      follower,
    );
  return { vault, store, ring, keysOver, keys: keysOver(store) };
}

const problems = (...said: unknown[]) => expect.objectContaining({ name: 'ConfigError', problems: said });

it('are added behind or in front, and dropped when no record is sealed under them', async () => {
  const { vault, ring, keys } = await aVault();
  await keys.change(KeyRing.parse(`${old},${next}`));
  expect([ring.sealingId, vault.outdated]).toEqual(['old', 0]);
  await keys.change(KeyRing.parse(`${next},${old}`));
  expect([ring.sealingId, vault.outdated]).toEqual(['next', 2]);
  while ((await vault.rekeyOne()) > 0);
  await keys.change(KeyRing.parse(next));
  expect([ring.ids, vault.clients.length, vault.locked.size]).toEqual([['next'], 2, 0]);
});

it('are refused without one that records are sealed under: which, how many, and what to do', async () => {
  const { vault, ring, keys } = await aVault();
  await keys.change(KeyRing.parse(`${next},${old}`));
  await vault.rekeyOne();
  const said =
    'VAULT_KEYS: master keys are missing under which records of the vault are sealed (old: 1): ' +
    'put them back behind the first one, and drop them after token-broker rekey';
  await expect(keys.change(KeyRing.parse(`${next},${other}`))).rejects.toThrow(problems(said));
  expect([ring.ids, vault.clients.length]).toEqual([['next', 'old'], 2]);
});

it('are refused if one has another value than before', async () => {
  const { ring, keys } = await aVault();
  const said = 'VAULT_KEYS: master key old has another value than before: give a new key a new id';
  const changed = KeyRing.parse(`${next},${KeyRing.generate('old')}`);
  await expect(keys.change(changed)).rejects.toThrow(problems(said));
  expect(ring.ids).toEqual(['old']);
});

it('can be added while the store is away, and not dropped: who knows what is sealed under them', async () => {
  const { ring, keysOver } = await aVault();
  const away: VaultStore = {
    description: 'the vault',
    read: () => Promise.reject(new VaultError('unreadable', 'the vault cannot be read (ECONNREFUSED)')),
    write: () => Promise.reject(new Error('nobody writes')),
  };
  const keys = keysOver(away);
  await keys.change(KeyRing.parse(`${next},${old}`));
  await expect(keys.change(KeyRing.parse(next))).rejects.toThrow(
    problems('VAULT_KEYS: the vault cannot be read (ECONNREFUSED)'),
  );
  expect(ring.ids).toEqual(['next', 'old']);
});

it('may be dropped whatever is sealed under keys that were missing before, or cannot be told', async () => {
  const { store, ring, keys } = await aVault();
  await keys.change(KeyRing.parse(`${old},${next}`));
  const foreign = await Vault.open(store, KeyRing.parse(`${other},${old}`), () => NOW);
  await foreign.saveClients([acme('s', { name: 'locked' })]);
  await store.write([{ name: 'client/damaged', expectedVersion: 0, version: 1, sealed: 'no record' }]);
  await keys.change(KeyRing.parse(old));
  expect(ring.ids).toEqual(['old']);
});

it('wait for a change under way: what it seals is under the keys of before', async () => {
  const { vault, ring, keys } = await aVault();
  await keys.change(KeyRing.parse(`${next},${old}`));
  while ((await vault.rekeyOne()) > 0);
  await keys.change(KeyRing.parse(`${old},${next}`));
  const [saved, changed] = await Promise.allSettled([
    vault.saveClients([acme('s', { name: 'three' })]),
    keys.change(KeyRing.parse(next)),
  ]);
  expect([saved.status, changed]).toEqual([
    'fulfilled',
    { status: 'rejected', reason: problems(expect.stringMatching(/are sealed \(old: 1\)/)) },
  ]);
  expect([ring.ids, vault.clients.length, vault.locked.size]).toEqual([['old', 'next'], 3, 0]);
});

it('of mounted files are replaced at once: nothing is kept under them', async () => {
  const { vault, store, ring } = await aVault();
  const config = { vaultKeys: ring, vaultStore: 'directory' } as Partial<BrokerConfig> as BrokerConfig;
  const follower = { follow: async () => {} } as Partial<VaultFollower> as VaultFollower;
  await new MasterKeys(config, store, vault, follower).change(KeyRing.parse(next));
  expect(ring.ids).toEqual(['next']);
});
