import { type Place, Sealer, Vault, type VaultStore } from '#vault';

import { FORMATS } from '../../libs/vault/src/formats.js';

import { acme, ring } from '../support/vault.js';

/** A form that only a newer version reads. */
export const NEWER = FORMATS.vault.reads + 1;

/** A store, and the hand of whoever writes it: another replica, or Kubernetes. */
export interface WrittenStore {
  readonly store: VaultStore;
  put(client: string, secret: string): Promise<void>;
  /** In a form that only a newer version reads. */
  putNewer(client: string): Promise<void>;
  remove(client: string): Promise<void>;
}

/** A store that another replica writes as well.
 *  @param theirs where the other has it open; in one memory there is but one */
export async function writtenByVault(store: VaultStore, theirs = store): Promise<WrittenStore> {
  const vault = await Vault.open(theirs, ring, Date.now);
  return {
    store,
    put: async (name, secret) => void (await vault.saveClients([acme(secret, { name })])),
    putNewer: async (client) => {
      const name = `client/${client}`;
      const before = (await theirs.read()).find((record) => record.name === name)?.version ?? 0;
      const place: Place = { purpose: 'vault', record: name, version: before + 1 };
      const sealed = await new Sealer(ring).seal('{}', place, NEWER);
      await theirs.write([{ name, expectedVersion: before, version: before + 1, sealed }]);
    },
    remove: async (name) => void (await vault.changeClient(name, () => undefined)),
  };
}

/** What every vault store promises to whoever reads it, whether or not we may write it. */
export function describeVaultStoreReads(name: string, open: () => Promise<WrittenStore>): void {
  const openVault = ({ store }: WrittenStore) => Vault.open(store, ring, Date.now);
  const secretsOf = (vault: Vault) =>
    Object.fromEntries(vault.clients.map((client) => [client.name, client.secrets[0]!.secret.reveal()]));

  describe(`${name}, as it is read`, () => {
    it('is empty at first', async () => {
      expect(await (await open()).store.read()).toEqual([]);
    });

    it('gives every record as it was put, by name and version', async () => {
      const written = await open();
      const clients = { acme: 'every printable: +%:"\'\\ æøå 🔑', two: 'b', three: 'c' };
      for (const [client, secret] of Object.entries(clients)) await written.put(client, secret);
      const records = await written.store.read();
      expect(records.map((each) => each.name).toSorted()).toEqual(['client/acme', 'client/three', 'client/two']);
      for (const { version } of records) expect(version).toBeGreaterThan(0);
      expect(secretsOf(await openVault(written))).toEqual(clients);
    });

    it('shows no secret before it is opened', async () => {
      const written = await open();
      await written.put('acme', 'canary-secret');
      expect(JSON.stringify(await written.store.read())).not.toMatch(/canary|Y2FuYXJ5/);
    });

    it('says the same until something changes, and nobody is told of a change', async () => {
      const written = await open();
      await written.put('acme', 'a');
      await written.put('two', 'b');
      const vault = await openVault(written);
      let changes = 0;
      vault.onChange(() => (changes += 1));
      const before = await written.store.read();
      await vault.reload();
      expect(await written.store.read()).toEqual(before);
      expect(changes).toBe(0);
    });

    it('gives a record that was replaced another version and generation, and no other record', async () => {
      const written = await open();
      await written.put('acme', 'a');
      await written.put('two', 'b');
      const vault = await openVault(written);
      const of = (client: string) => [vault.versionOf('client', client), vault.findClient(client)!.generation] as const;
      const [version, generation] = of('acme');
      const other = of('two');
      await written.put('acme', 'c');
      await vault.reload();
      expect(secretsOf(vault)).toEqual({ acme: 'c', two: 'b' });
      expect(of('acme')[0]).not.toBe(version);
      expect(of('acme')[1]).not.toBe(generation);
      expect(of('two')).toEqual(other);
    });

    it('gives a record that a newer version wrote as one that is there and cannot be read, and serves it again later', async () => {
      const written = await open();
      await written.put('acme', 'a');
      await written.put('two', 'b');
      const vault = await openVault(written);
      await written.putNewer('acme');
      await vault.reload();
      expect(secretsOf(vault)).toEqual({ two: 'b' });
      expect([...vault.newer]).toEqual([['client/acme', expect.objectContaining({ code: 'newer' })]]);
      await expect(vault.changeClient('acme', () => undefined)).rejects.toMatchObject({ code: 'newer' });
      const again = await openVault(written);
      expect([secretsOf(again), again.newer.size]).toEqual([{ two: 'b' }, 1]);
      await written.remove('two');
      expect((await openVault(written)).newer.size).toBe(1);
      await written.put('two', 'c');
      await vault.reload();
      expect(secretsOf(vault)).toEqual({ two: 'c' });
    });

    it('forgets a record that was removed; made anew it is not its namesake', async () => {
      const written = await open();
      await written.put('acme', 'a');
      await written.put('two', 'b');
      const vault = await openVault(written);
      const version = vault.versionOf('client', 'acme');
      await written.remove('acme');
      await vault.reload();
      expect(secretsOf(vault)).toEqual({ two: 'b' });
      await written.put('acme', 'c');
      await vault.reload();
      expect(secretsOf(vault)).toEqual({ acme: 'c', two: 'b' });
      expect(vault.versionOf('client', 'acme')).not.toBe(version);
    });
  });
}
