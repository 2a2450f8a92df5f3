import { CompactEncrypt } from 'jose';

import { KeyRing, MemoryVaultStore, type Place, Sealer, Vault } from '#vault';

import { acme, NOW, openVault, putCaller, ring } from '../../../test/support/vault.js';
import { FORMATS } from './formats.js';

const NEWER = FORMATS.vault.reads + 1;
const sealer = new Sealer(ring);
const placeOf = (record: string, version: number): Place => ({ purpose: 'vault', record, version });

/** Writes a record as a newer version would. */
async function putNewer(store: MemoryVaultStore, name: string, expectedVersion = 0): Promise<void> {
  const version = expectedVersion + 1;
  const sealed = await sealer.seal('{"in":"a form of its own"}', placeOf(name, version), NEWER);
  await store.write([{ name, expectedVersion, version, sealed }]);
}

/** A vault with the client `acme`, and with `other` and the caller `shop` by a newer version. */
async function mixed() {
  const opened = await openVault();
  await opened.vault.saveClients([acme()]);
  await putNewer(opened.store, 'client/other');
  await putNewer(opened.store, 'caller/shop');
  await opened.vault.reload();
  return opened;
}

describe('what is sealed', () => {
  const place = placeOf('client/acme', 3);

  it('carries the number of its form; without one it is of form 1, as it was before there were numbers', async () => {
    const sealed = await sealer.seal('hello', place);
    const header = JSON.parse(Buffer.from(sealed.split('.', 1).join(), 'base64url').toString()) as object;
    expect(header).toMatchObject({ fmt: FORMATS.vault.writes });
    const named = { use: place.purpose, rec: place.record, ver: place.version };
    const before = await new CompactEncrypt(Buffer.from('before'))
      .setProtectedHeader({ alg: 'A256GCMKW', enc: 'A256GCM', kid: ring.sealingId, ...named })
      .encrypt(ring.sealingKey);
    expect(await sealer.open(before, place)).toBe('before');
  });

  it('in a newer form is not opened, whatever key and place it names', async () => {
    const stranger = new Sealer(KeyRing.parse(KeyRing.generate('stranger')));
    for (const by of [sealer, stranger]) {
      const sealed = await by.seal('hello', { ...place, version: 4 }, NEWER);
      await expect(sealer.open(sealed, place)).rejects.toMatchObject({
        code: 'newer',
        message: `client/acme was written by a newer version (format ${NEWER}, this one reads up to 1) and is left to it`,
      });
    }
  });

  it('is damaged, and not of a newer form, if only its number was changed', async () => {
    const [header = '', ...rest] = (await sealer.seal('hello', place)).split('.');
    for (const format of ['0', '2', '1.5', '1e9', '"1"', 'null']) {
      const text = Buffer.from(header, 'base64url').toString().replace('"fmt":1', `"fmt":${format}`);
      const changed = [Buffer.from(text).toString('base64url'), ...rest].join('.');
      await expect(sealer.open(changed, place)).rejects.toMatchObject({ code: 'damaged' });
    }
  });
});

describe('a record that a newer version wrote', () => {
  it('is absent, by name, and everything else is served', async () => {
    const { vault } = await mixed();
    expect(vault.clients.map(({ name }) => name)).toEqual(['acme']);
    expect([vault.findClient('other'), vault.findCaller('shop'), vault.callers]).toEqual([undefined, undefined, []]);
    expect([...vault.newer.keys()].toSorted()).toEqual(['caller/shop', 'client/other']);
    expect([vault.locked.size, vault.outdated]).toEqual([0, 0]);
  });

  it('is not changed, replaced or deleted, and everything else can be', async () => {
    const { store, vault } = await mixed();
    const before = await store.read();
    const refused = { code: 'newer', message: expect.stringContaining('newer version') };
    await expect(vault.changeClient('other', () => undefined)).rejects.toMatchObject(refused);
    await expect(vault.saveClients([acme('s', { name: 'other' })])).rejects.toMatchObject(refused);
    await expect(vault.saveClients([acme('new'), acme('s', { name: 'other' })])).rejects.toMatchObject(refused);
    await expect(putCaller(vault, 'shop')).rejects.toMatchObject(refused);
    await expect(vault.addCallerKey('shop')).rejects.toMatchObject(refused);
    expect(await store.read()).toEqual(before);
    await vault.changeCallers((caller) => ({ ...caller, roles: [] }));
    await vault.saveClients([acme('new')]);
    const left = (await store.read()).filter(({ name }) => name !== 'client/acme');
    expect(left).toEqual(before.filter(({ name }) => name !== 'client/acme'));
  });

  it('is not overwritten by whoever has not seen it yet', async () => {
    const { store, vault } = await openVault();
    await vault.saveClients([acme()]);
    await putNewer(store, 'client/acme', vault.versionOf('client', 'acme'));
    await putNewer(store, 'client/other');
    const before = await store.read();
    await expect(vault.saveClients([acme('s', { name: 'other' })])).rejects.toMatchObject({ code: 'newer' });
    await expect(vault.changeClient('acme', () => undefined)).rejects.toMatchObject({ code: 'newer' });
    expect(await store.read()).toEqual(before);
  });

  it('keeps its master key when the others are sealed anew', async () => {
    const { store } = await mixed();
    const before = (await store.read()).filter(({ name }) => name !== 'client/acme');
    const next = KeyRing.parse(`${KeyRing.generate('next')},test:${Buffer.from(ring.sealingKey).toString('base64')}`);
    const vault = await Vault.open(store, next, () => NOW);
    expect(vault.outdated).toBe(1);
    expect(await vault.rekeyOne()).toBe(0);
    expect((await store.read()).filter(({ name }) => name !== 'client/acme')).toEqual(before);
  });

  it('keeps this version from making a backup that would lack it, and from restoring one over it', async () => {
    const { store, vault } = await openVault();
    await vault.saveClients([acme()]);
    const backup = await vault.backup();
    await putNewer(store, 'client/other');
    await vault.reload();
    const refused = { code: 'newer', message: expect.stringContaining('client/other') };
    await expect(vault.backup()).rejects.toMatchObject(refused);
    const before = await store.read();
    await expect(vault.restore(backup)).rejects.toMatchObject(refused);
    expect(await store.read()).toEqual(before);
  });

  it('may be all that there is: the vault opens all the same', async () => {
    const { store } = await openVault();
    await putNewer(store, 'client/acme');
    await putNewer(store, 'client/other');
    const { vault } = await openVault(store);
    expect([vault.clients.length, vault.newer.size]).toEqual([0, 2]);
    await vault.saveClients([acme('s', { name: 'third' })]);
    expect(vault.clients).toHaveLength(1);
  });

  it('does not hide that nothing else can be opened', async () => {
    const { store } = await mixed();
    const others = KeyRing.parse(KeyRing.generate('other'));
    await expect(Vault.open(store, others, () => NOW)).rejects.toMatchObject({ code: 'wrong_key' });
  });

  it('may be of a kind that this one does not know; one whose name was changed is damaged', async () => {
    const { store, vault } = await mixed();
    const place = placeOf('issuer/sts', 1);
    const change = { expectedVersion: 0, version: 1, sealed: await sealer.seal('{}', place) };
    await store.write([{ ...change, name: 'issuer/sts' }]);
    await vault.reload();
    expect(vault.newer.has('issuer/sts')).toBe(true);
    await store.write([{ ...change, name: 'issuer/other' }]);
    await expect(vault.reload()).rejects.toMatchObject({ code: 'damaged' });
  });

  it('is told as a change when it comes and when it goes', async () => {
    const { store, vault } = await openVault();
    await vault.saveClients([acme()]);
    let changes = 0;
    vault.onChange(() => (changes += 1));
    await putNewer(store, 'client/acme', vault.versionOf('client', 'acme'));
    await vault.reload();
    await vault.reload();
    expect([changes, vault.clients.length]).toEqual([1, 0]);
  });
});

it('a backup of a newer version is refused as that', async () => {
  const { vault } = await mixed();
  const place: Place = { purpose: 'backup', record: 'backup', version: 1 };
  await expect(vault.restore(await sealer.seal('{}', place, NEWER))).rejects.toMatchObject({
    code: 'backup',
    message: expect.stringContaining('newer version'),
  });
});
