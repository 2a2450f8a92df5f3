import { inspect } from 'node:util';

import { callerKeyMatches, KeyRing, MemoryVaultStore, replaceCaller, Secret, Vault } from '#vault';

const ring = KeyRing.parse(KeyRing.generate('test'));
const NOW = Date.parse('2026-01-02T03:04:05Z');

async function open(store = new MemoryVaultStore()) {
  return { store, vault: await Vault.open(store, ring, () => NOW) };
}

const acme = (secret = 'canary-secret', more = {}) => ({
  name: 'acme',
  environment: 'sandbox' as const,
  clientId: 'acme-id',
  clientSecret: new Secret(secret),
  ...more,
});

describe('clients', () => {
  it('come back after a restart, the secret as it was', async () => {
    const secret = 'every printable: +%:"\'\\ æøå 🔑';
    const { store, vault } = await open();
    await vault.saveClients([acme(secret, { extraHeaders: { 'x-ibm-client-id': 'abc' } })]);
    const again = (await open(store)).vault.findClient('acme')!;
    expect(again.secrets[0]!.secret.reveal()).toBe(secret);
    expect(again).toMatchObject({ clientId: 'acme-id', enabled: true, extraHeaders: { 'x-ibm-client-id': 'abc' } });
    expect(again.createdAt).toBe('2026-01-02T03:04:05.000Z');
  });

  it('start a new generation with new credentials, and none with the same', async () => {
    const { vault } = await open();
    const generation = async (...args: Parameters<typeof acme>) =>
      (await vault.saveClients([acme(...args)]))[0]!.generation;
    const first = await generation('one');
    expect(await generation('one')).toBe(first);
    const second = await generation('two');
    expect(second).toBeGreaterThan(first);
    expect(await generation('two', { environment: 'production' })).toBeGreaterThan(second);
  });

  it('are all saved or none', async () => {
    const { store, vault } = await open();
    await expect(vault.saveClients([acme(), acme('two', { name: 'No Name' })])).rejects.toMatchObject({
      code: 'invalid',
    });
    await expect(vault.saveClients([acme(), acme('two')])).rejects.toThrow('same name');
    expect(vault.clients).toEqual([]);
    expect(await store.read()).toEqual([]);
  });

  it.each([
    ['a colon in the id, with plain Basic', { clientId: 'a:b' }],
    ['an empty id', { clientId: '' }],
    ['a line break in the id', { clientId: 'a\nb' }],
    ['an empty secret', { clientSecret: new Secret('') }],
    ['a secret of 10,000 characters', { clientSecret: new Secret('x'.repeat(10_000)) }],
    ['a name of 10,000 characters', { name: 'x'.repeat(10_000) }],
    ['a name with a slash', { name: 'a/b' }],
    ['the name __proto__', { name: '__proto__' }],
  ])('are refused with %s', async (_, more) => {
    const { vault } = await open();
    await expect(vault.saveClients([acme('s', more)])).rejects.toMatchObject({ code: 'invalid' });
  });

  it('may have a colon in the id with form encoding', async () => {
    const { vault } = await open();
    await expect(vault.saveClients([acme('s', { clientId: 'a:b', basicEncoding: 'form' })])).resolves.toHaveLength(1);
  });
});

describe('callers', () => {
  it('keep their keys when their grants change, and only hashes of them', async () => {
    const { store, vault } = await open();
    await vault.changeCaller('shop', (current, at) =>
      replaceCaller(current, 'shop', { roles: ['token'], grants: [] }, at),
    );
    const { key, id } = await vault.addCallerKey('shop', 60);
    await vault.changeCaller('shop', (current, at) =>
      replaceCaller(
        current,
        'shop',
        { roles: ['token', 'ops'], grants: [{ client: 'acme', merchants: ['*'], unrestricted: false }] },
        at,
      ),
    );
    const again = (await open(store)).vault.findCaller('shop')!;
    expect(again.keys).toMatchObject([{ id, expiresAt: '2026-01-02T03:05:05.000Z' }]);
    expect(again.roles).toEqual(['token', 'ops']);
    expect(inspect(again, { depth: 9 })).not.toContain(key.reveal());
  });

  it('that do not exist get no key', async () => {
    const { vault } = await open();
    await expect(vault.addCallerKey('nobody')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('two at once', () => {
  it('in one process lose nothing', async () => {
    const { store, vault } = await open();
    await vault.changeCaller('shop', (current, at) =>
      replaceCaller(current, 'shop', { roles: ['token'], grants: [] }, at),
    );
    await Promise.all(Array.from({ length: 20 }, () => vault.addCallerKey('shop')));
    expect((await open(store)).vault.findCaller('shop')!.keys).toHaveLength(20);
  });

  it('in two processes lose nothing', async () => {
    const { store, vault } = await open();
    await vault.changeCaller('shop', (current, at) =>
      replaceCaller(current, 'shop', { roles: ['token'], grants: [] }, at),
    );
    const other = (await open(store)).vault;
    await Promise.all([vault.addCallerKey('shop'), other.addCallerKey('shop'), vault.addCallerKey('shop')]);
    expect((await open(store)).vault.findCaller('shop')!.keys).toHaveLength(3);
  });

  it('hear of each change', async () => {
    const { vault } = await open();
    let heard = 0;
    const stop = vault.onChange(() => (heard += 1));
    await vault.saveClients([acme()]);
    stop();
    await vault.saveClients([acme('two')]);
    expect(heard).toBe(1);
  });
});

describe('a vault that cannot be opened', () => {
  it('names the records that were swapped', async () => {
    const { store, vault } = await open();
    await vault.saveClients([acme(), acme('two', { name: 'other' })]);
    const [a, b] = await store.read();
    store.read = async () => [
      { ...a!, sealed: b!.sealed },
      { ...b!, sealed: a!.sealed },
    ];
    await expect(open(store)).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringMatching(/client\/acme .*and 1 more/),
    });
  });

  it('names the record that an older one was put in place of', async () => {
    const { store, vault } = await open();
    await vault.saveClients([acme()]);
    const [old] = await store.read();
    await vault.saveClients([acme('two')]);
    const [current] = await store.read();
    store.read = async () => [{ ...current!, sealed: old!.sealed }];
    await expect(open(store)).rejects.toThrow('client/acme');
  });

  it('says that the key is wrong', async () => {
    const { store, vault } = await open();
    await vault.saveClients([acme()]);
    const otherRing = KeyRing.parse(KeyRing.generate('other'));
    await expect(Vault.open(store, otherRing, () => NOW)).rejects.toMatchObject({ code: 'wrong_key' });
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
  });
});

describe('a backup', () => {
  it('brings everything back into another store, and nothing else is left there', async () => {
    const { vault } = await open();
    await vault.saveClients([acme('canary-secret', { extraHeaders: { 'x-ibm-client-id': 'abc' } })]);
    await vault.changeCaller('shop', (current, at) =>
      replaceCaller(current, 'shop', { roles: ['ops'], grants: [] }, at),
    );
    const { key } = await vault.addCallerKey('shop');
    const backup = await vault.backup();
    expect(backup).not.toContain('canary');

    const other = await open();
    await other.vault.saveClients([acme('x', { name: 'gone' }), acme('older')]);
    expect(await other.vault.restore(backup)).toEqual({ clients: 1, callers: 1 });
    const again = (await open(other.store)).vault;
    expect(again.clients.map((client) => ({ ...client, secrets: client.secrets[0]!.secret.reveal() }))).toEqual(
      vault.clients.map((client) => ({ ...client, secrets: client.secrets[0]!.secret.reveal() })),
    );
    expect(again.callers).toEqual(vault.callers);
    expect(callerKeyMatches(key.reveal(), again.findCaller('shop')!.keys[0]!.hash)).toBe(true);
  });

  it('that was changed, or is none, is refused before anything is replaced', async () => {
    const { vault } = await open();
    await vault.saveClients([acme()]);
    const backup = await vault.backup();
    const other = (await open()).vault;
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

it('no dump of the vault shows a secret', async () => {
  const { store, vault } = await open();
  await vault.saveClients([acme()]);
  const dumps = [
    inspect(vault, { depth: 12, showHidden: true }),
    JSON.stringify(vault.clients),
    JSON.stringify(await store.read()),
  ];
  for (const dump of dumps) expect(dump).not.toContain('canary-secret');
});
