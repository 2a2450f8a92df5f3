import { KeyRing, MemoryVaultStore, replaceCaller, type Role, Secret, Vault } from '#vault';

export const ring = KeyRing.parse(KeyRing.generate('test'));
export const NOW = Date.parse('2026-01-02T03:04:05Z');

/** A vault in memory, whose clock stands still. */
export async function openVault(store = new MemoryVaultStore()) {
  return { store, vault: await Vault.open(store, ring, () => NOW) };
}

export const acme = (secret = 'canary-secret', more = {}) => ({
  name: 'acme',
  environment: 'sandbox' as const,
  clientId: 'acme-id',
  clientSecret: new Secret(secret),
  ...more,
});

export async function putCaller(vault: Vault, name: string, roles: readonly Role[] = ['token']): Promise<void> {
  await vault.changeCaller(name, (current, at) => replaceCaller(current, name, { roles, grants: [] }, at));
}
