import { callerKeyMatches, KeyRing, keyUse, MemoryVaultStore, Vault } from '#vault';

import { acme, NOW, openVault, putCaller } from '../../../test/support/vault.js';

describe('a store that has lost everything', () => {
  it('empties no memory, takes no write, and is filled again from a backup of what is in memory', async () => {
    const { store, vault } = await openVault();
    await vault.saveClients([acme(), acme('two', { name: 'other' })]);
    for (const { name, version } of await store.read()) {
      await store.write([{ name, expectedVersion: version, version, sealed: undefined }]);
    }
    await expect(vault.reload()).rejects.toMatchObject({
      code: 'unreadable',
      message: expect.stringContaining('is empty'),
    });
    await expect(vault.saveClients([acme('s', { name: 'third' })])).rejects.toMatchObject({ code: 'unreadable' });
    expect(vault.clients).toHaveLength(2);
    await vault.restore(await vault.backup());
    expect((await openVault(store)).vault.clients).toHaveLength(2);
    await vault.saveClients([acme('s', { name: 'third' })]);
  });
});

describe('master keys', () => {
  const [old, next] = ['old', 'next'].map((id) => KeyRing.generate(id)) as [string, string];
  const both = KeyRing.parse(`${next},${old}`);

  async function sealedUnderOld(clients: number) {
    const store = new MemoryVaultStore();
    const vault = await Vault.open(store, KeyRing.parse(old), () => NOW);
    await vault.saveClients(Array.from({ length: clients }, (_, i) => acme('canary-secret', { name: `c${i}` })));
    return store;
  }

  it('are changed one record at a time; at every moment all can be opened, and whoever goes on finishes it', async () => {
    const store = await sealedUnderOld(5);
    const first = await Vault.open(store, both, () => NOW);
    expect(first.outdated).toBe(5);
    expect(await first.rekeyOne()).toBe(4);
    expect(await first.rekeyOne()).toBe(3);
    // Stopped there; another process goes on.
    const second = await Vault.open(store, both, () => NOW);
    expect([second.outdated, second.clients.length]).toEqual([3, 5]);
    for (let left = 3; left > 0; left -= 1) expect(await second.rekeyOne()).toBe(left - 1);
    expect(await second.rekeyOne()).toBe(0);
    const withoutOld = await Vault.open(store, KeyRing.parse(next), () => NOW);
    expect(withoutOld.clients.map(({ secrets }) => secrets[0]!.secret.reveal())).toEqual(
      Array(5).fill('canary-secret'),
    );
  });

  it('do not make a new generation: no token is fetched anew', async () => {
    const store = await sealedUnderOld(1);
    const vault = await Vault.open(store, both, () => NOW + 1_000);
    const before = vault.clients[0]!.generation;
    await vault.rekeyOne();
    expect(vault.clients[0]!.generation).toBe(before);
  });

  it('that are missing lock their records alone, by name; the rest serves on, and they cannot be overwritten', async () => {
    const store = await sealedUnderOld(1);
    const some = await Vault.open(store, both, () => NOW);
    await some.saveClients([acme('s', { name: 'newer' })]);
    const vault = await Vault.open(store, KeyRing.parse(next), () => NOW);
    expect(vault.clients.map(({ name }) => name)).toEqual(['newer']);
    expect([...vault.locked.keys()]).toEqual(['client/c0']);
    await expect(vault.changeClient('c0', () => undefined)).rejects.toMatchObject({ code: 'wrong_key' });
    await expect(vault.saveClients([acme('s', { name: 'c0' })])).rejects.toMatchObject({ code: 'wrong_key' });
    // A backup takes their place all the same.
    await vault.restore(await vault.backup());
    expect((await Vault.open(store, KeyRing.parse(next), () => NOW)).locked.size).toBe(0);
  });

  it('that change while the vault is open count from its next reload on: for what is locked, and what is outdated', async () => {
    const store = await sealedUnderOld(2);
    const ring = KeyRing.parse(old);
    const vault = await Vault.open(store, ring, () => NOW);
    let changes = 0;
    vault.onChange(() => (changes += 1));
    // Behind the old one, then in front of it, then alone: as a rotation goes.
    ring.adopt(KeyRing.parse(`${old},${next}`));
    await vault.reload();
    expect([vault.outdated, changes, ...keyUse(await store.read())]).toEqual([0, 0, ['old', 2]]);
    ring.adopt(both);
    await vault.reload();
    expect([vault.outdated, vault.clients.length]).toEqual([2, 2]);
    await vault.rekeyOne();
    expect(Object.fromEntries(keyUse(await store.read()))).toEqual({ old: 1, next: 1 });
    ring.adopt(KeyRing.parse(next));
    await vault.reload();
    expect([vault.clients.length, vault.locked.size]).toEqual([1, 1]);
    ring.adopt(both);
    await vault.reload();
    expect([vault.clients.length, vault.locked.size, vault.outdated]).toEqual([2, 0, 1]);
  });
});

describe('a backup', () => {
  it('brings everything back into another store, and nothing else is left there', async () => {
    const { vault } = await openVault();
    await vault.saveClients([acme('canary-secret', { extraHeaders: { 'x-ibm-client-id': 'abc' } })]);
    await putCaller(vault, 'shop', ['ops']);
    const { key } = await vault.addCallerKey('shop');
    const backup = await vault.backup();
    expect(backup).not.toContain('canary');

    const other = await openVault();
    await other.vault.saveClients([acme('x', { name: 'gone' }), acme('older')]);
    expect(await other.vault.restore(backup)).toEqual({ clients: 1, callers: 1 });
    const again = (await openVault(other.store)).vault;
    expect(again.clients.map((client) => ({ ...client, secrets: client.secrets[0]!.secret.reveal() }))).toEqual(
      vault.clients.map((client) => ({ ...client, secrets: client.secrets[0]!.secret.reveal() })),
    );
    expect(again.callers).toEqual(vault.callers);
    expect(callerKeyMatches(key.reveal(), again.findCaller('shop')!.keys[0]!.hash)).toBe(true);
  });

  it('that was changed, or is none, is refused before anything is replaced', async () => {
    const { vault } = await openVault();
    await vault.saveClients([acme()]);
    const backup = await vault.backup();
    const other = (await openVault()).vault;
    await other.saveClients([acme('kept', { name: 'kept' })]);
    const middle = Math.floor(backup.length / 2);
    const changed = backup.slice(0, middle) + (backup[middle] === 'A' ? 'B' : 'A') + backup.slice(middle + 1);
    for (const wrong of [changed, backup.slice(0, -9), '', 'nonsense', backup + backup]) {
      await expect(other.restore(wrong)).rejects.toMatchObject({ code: 'backup' });
    }
    const stranger = KeyRing.parse(KeyRing.generate('stranger'));
    const locked = await Vault.open(new MemoryVaultStore(), stranger, () => NOW);
    await expect(locked.restore(backup)).rejects.toMatchObject({
      code: 'backup',
      message: expect.stringContaining('master key'),
    });
    expect(other.clients.map(({ name }) => name)).toEqual(['kept']);
  });
});
