import { inspect } from 'node:util';

import { KeyRing, MemoryVaultStore, replaceCaller, Secret, Vault } from '#vault';

import { acme, NOW, openVault, putCaller, ring } from '../../../test/support/vault.js';

describe('clients', () => {
  it('come back after a restart, the secret as it was', async () => {
    const secret = 'every printable: +%:"\'\\ æøå 🔑';
    const { store, vault } = await openVault();
    await vault.saveClients([acme(secret, { extraHeaders: { 'x-ibm-client-id': 'abc' } })]);
    const again = (await openVault(store)).vault.findClient('acme')!;
    expect(again.secrets[0]!.secret.reveal()).toBe(secret);
    expect(again).toMatchObject({ clientId: 'acme-id', enabled: true, extraHeaders: { 'x-ibm-client-id': 'abc' } });
    expect(again.createdAt).toBe('2026-01-02T03:04:05.000Z');
  });

  it('start a new generation with new credentials, and none with the same', async () => {
    const { vault } = await openVault();
    const generation = async (...args: Parameters<typeof acme>) =>
      (await vault.saveClients([acme(...args)]))[0]!.generation;
    const first = await generation('one');
    expect(await generation('one')).toBe(first);
    const second = await generation('two');
    expect(second).toBeGreaterThan(first);
    expect(await generation('two', { environment: 'production' })).toBeGreaterThan(second);
  });

  it('are all saved or none', async () => {
    const { store, vault } = await openVault();
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
    const { vault } = await openVault();
    await expect(vault.saveClients([acme('s', more)])).rejects.toMatchObject({ code: 'invalid' });
  });

  it('may have a colon in the id with form encoding', async () => {
    const { vault } = await openVault();
    await expect(vault.saveClients([acme('s', { clientId: 'a:b', basicEncoding: 'form' })])).resolves.toHaveLength(1);
  });
});

describe('callers', () => {
  it('keep their keys when their grants change, and only hashes of them', async () => {
    const { store, vault } = await openVault();
    await putCaller(vault, 'shop');
    const { key, id } = await vault.addCallerKey('shop', 60);
    await vault.changeCaller('shop', (current, at) =>
      replaceCaller(
        current,
        'shop',
        { roles: ['token', 'ops'], grants: [{ client: 'acme', merchants: ['*'], unrestricted: false }] },
        at,
      ),
    );
    const again = (await openVault(store)).vault.findCaller('shop')!;
    expect(again.keys).toMatchObject([{ id, expiresAt: '2026-01-02T03:05:05.000Z' }]);
    expect(again.roles).toEqual(['token', 'ops']);
    expect(inspect(again, { depth: 9 })).not.toContain(key.reveal());
  });

  it('that do not exist get no key', async () => {
    const { vault } = await openVault();
    await expect(vault.addCallerKey('nobody')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('two at once', () => {
  it('in one process lose nothing', async () => {
    const { store, vault } = await openVault();
    await putCaller(vault, 'shop');
    await Promise.all(Array.from({ length: 20 }, () => vault.addCallerKey('shop')));
    expect((await openVault(store)).vault.findCaller('shop')!.keys).toHaveLength(20);
  });

  it('in two processes lose nothing', async () => {
    const { store, vault } = await openVault();
    await putCaller(vault, 'shop');
    const other = (await openVault(store)).vault;
    await Promise.all([vault.addCallerKey('shop'), other.addCallerKey('shop'), vault.addCallerKey('shop')]);
    expect((await openVault(store)).vault.findCaller('shop')!.keys).toHaveLength(3);
  });

  it('hear of each change', async () => {
    const { vault } = await openVault();
    let heard = 0;
    const stop = vault.onChange(() => (heard += 1));
    await vault.saveClients([acme()]);
    stop();
    await vault.saveClients([acme('two')]);
    expect(heard).toBe(1);
  });
});

describe('a record that is deleted and made anew', () => {
  it('does not pass for the old one: not to a vault that missed both, nor to a change made from the old one', async () => {
    const store = new MemoryVaultStore();
    let now = NOW;
    const [vault, other] = [await Vault.open(store, ring, () => now), await Vault.open(store, ring, () => now)];
    await vault.saveClients([acme('old')]);
    await other.reload();
    const version = vault.versionOf('client', 'acme')!;
    now += 1_000;
    await vault.changeClient('acme', () => undefined);
    await vault.saveClients([acme('new')]);
    await expect(vault.changeClient('acme', (client) => client && { ...client }, version)).rejects.toMatchObject({
      code: 'precondition',
    });
    await other.changeClient('acme', (client) => client && { ...client, extraHeaders: { a: 'b' } });
    await vault.reload();
    expect(vault.findClient('acme')!.secrets[0]!.secret.reveal()).toBe('new');
    expect(other.findClient('acme')!.secrets[0]!.secret.reveal()).toBe('new');
  });
});

describe('a vault that cannot be opened', () => {
  it('names the records that were swapped', async () => {
    const { store, vault } = await openVault();
    await vault.saveClients([acme(), acme('two', { name: 'other' })]);
    const [a, b] = await store.read();
    store.read = async () => [
      { ...a!, sealed: b!.sealed },
      { ...b!, sealed: a!.sealed },
    ];
    await expect(openVault(store)).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringMatching(/client\/acme .*and 1 more/),
    });
  });

  it('names the record that an older one was put in place of', async () => {
    const { store, vault } = await openVault();
    await vault.saveClients([acme()]);
    const [old] = await store.read();
    await vault.saveClients([acme('two')]);
    const [current] = await store.read();
    store.read = async () => [{ ...current!, sealed: old!.sealed }];
    await expect(openVault(store)).rejects.toThrow('client/acme');
  });

  it('says that the key is wrong', async () => {
    const { store, vault } = await openVault();
    await vault.saveClients([acme()]);
    const otherRing = KeyRing.parse(KeyRing.generate('other'));
    await expect(Vault.open(store, otherRing, () => NOW)).rejects.toMatchObject({ code: 'wrong_key' });
  });
});

it('no dump of the vault shows a secret', async () => {
  const { store, vault } = await openVault();
  await vault.saveClients([acme()]);
  const dumps = [
    inspect(vault, { depth: 12, showHidden: true }),
    JSON.stringify(vault.clients),
    JSON.stringify(await store.read()),
  ];
  for (const dump of dumps) expect(dump).not.toContain('canary-secret');
});
