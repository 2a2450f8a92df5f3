import type { VaultStore } from '#vault';

/** What every vault store promises. */
export function describeVaultStore(name: string, open: () => Promise<VaultStore>): void {
  const change = (
    record: string,
    expectedVersion: number,
    sealed: string | undefined = `${record}@${expectedVersion}`,
  ) => ({
    name: record,
    expectedVersion,
    version: expectedVersion + 1,
    sealed,
  });
  const sorted = async (store: VaultStore) => (await store.read()).toSorted((a, b) => a.name.localeCompare(b.name));

  describe(name, () => {
    it('is empty at first', async () => {
      expect(await (await open()).read()).toEqual([]);
    });

    it('gives back what was written, with its version', async () => {
      const store = await open();
      await store.write([change('a', 0), change('b', 0)]);
      await store.write([change('a', 1)]);
      expect(await sorted(store)).toEqual([
        { name: 'a', version: 2, sealed: 'a@1' },
        { name: 'b', version: 1, sealed: 'b@0' },
      ]);
    });

    it('deletes', async () => {
      const store = await open();
      await store.write([change('a', 0)]);
      await store.write([{ name: 'a', expectedVersion: 1, version: 2, sealed: undefined }]);
      expect(await store.read()).toEqual([]);
    });

    it.each([0, 2, 7])('refuses a change made from version %d of a record at version 1', async (expectedVersion) => {
      const store = await open();
      await store.write([change('a', 0)]);
      await expect(store.write([change('a', expectedVersion)])).rejects.toMatchObject({ code: 'conflict' });
      expect(await store.read()).toEqual([{ name: 'a', version: 1, sealed: 'a@0' }]);
    });

    it('writes all changes or none', async () => {
      const store = await open();
      await store.write([change('a', 0)]);
      await expect(store.write([change('b', 0), change('a', 0), change('c', 0)])).rejects.toMatchObject({
        code: 'conflict',
      });
      expect(await sorted(store)).toEqual([{ name: 'a', version: 1, sealed: 'a@0' }]);
    });

    it('lets one of many writers win', async () => {
      const store = await open();
      const writes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => store.write([change('a', 0, `${i}`)])),
      );
      expect(writes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await store.read()).toEqual([{ name: 'a', version: 1, sealed: expect.any(String) }]);
    });
  });
}
