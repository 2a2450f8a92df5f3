import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { DirectoryVaultStore, hashOfCallerKey, KeyRing, newCallerKey, Sealer, Vault, VAULT_PURPOSE } from '#vault';

import { aFolder } from '../support/folder.js';
import { ring } from '../support/vault.js';

const client = { environment: 'sandbox', client_id: 'acme-id', client_secret: 'canary-secret' };

function storeAt(path: string): DirectoryVaultStore {
  return new DirectoryVaultStore(path, new Sealer(ring), VAULT_PURPOSE);
}

function open(path: string): Promise<Vault> {
  return Vault.open(storeAt(path), ring, Date.now);
}

async function folderWith(files: Record<string, unknown>): Promise<string> {
  const folder = aFolder();
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

it('gives clients and callers as their files say, the same to every replica', async () => {
  const { id, key } = newCallerKey();
  const hash = hashOfCallerKey(key.reveal()).toString('base64url');
  const folder = await folderWith({
    'acme.json': { ...client, extra_headers: { 'x-ibm-client-id': 'abc' }, basic_encoding: 'form' },
    'two.json': { environment: 'production', client_id: 'two', client_secrets: ['newer', 'older'], enabled: false },
    'shop.json': { roles: ['token'], grants: [{ client: 'acme', merchants: ['DK*'] }], keys: [{ id, hash }] },
    '.hidden.json': '{',
    'readme.txt': 'not a record',
  });
  const [vault, other] = [await open(folder), await open(folder)];
  expect(vault.clients).toHaveLength(2);
  expect(vault.findClient('acme')).toMatchObject({ basicEncoding: 'form', enabled: true });
  expect(vault.findClient('two')!.secrets.map(({ secret }) => secret.reveal())).toEqual(['newer', 'older']);
  expect(vault.findClient('two')!.enabled).toBe(false);
  expect(vault.findCaller('shop')).toMatchObject({ roles: ['token'], keys: [{ id }] });
  expect(other.findClient('acme')!.generation).toBe(vault.findClient('acme')!.generation);
});

it('follows a folder that is swapped at once, as Kubernetes does it', async () => {
  const folder = aFolder();
  const put = async (name: string, secret: string) => {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'acme.json'), JSON.stringify({ ...client, client_secret: secret }));
    await symlink(name, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  };
  await put('..2026_1', 'first');
  await symlink('..data/acme.json', join(folder, 'acme.json'));
  const vault = await open(folder);
  const before = vault.findClient('acme')!;
  let changes = 0;
  vault.onChange(() => (changes += 1));
  await vault.reload();
  expect(changes).toBe(0);
  await put('..2026_2', 'second');
  await rm(join(folder, '..2026_1'), { recursive: true });
  await vault.reload();
  expect(changes).toBe(1);
  expect(vault.findClient('acme')!.secrets[0]!.secret.reveal()).toBe('second');
  expect(vault.findClient('acme')!.generation).not.toBe(before.generation);
});

it('keeps what it has in memory while a file is broken, or the folder is gone', async () => {
  const folder = await folderWith({ 'acme.json': client });
  const vault = await open(folder);
  await writeFile(join(folder, 'acme.json'), '{"environment":');
  await expect(vault.reload()).rejects.toMatchObject({ code: 'damaged' });
  await rm(folder, { recursive: true });
  await expect(vault.reload()).rejects.toMatchObject({ code: 'unreadable' });
  expect(vault.findClient('acme')).toBeDefined();
});

it('takes a file in a form of a newer version for a record of that, whatever else is in it, and goes on without', async () => {
  const folder = await folderWith({
    'acme.json': { ...client, format: 1 },
    'two.json': { format: 2, its: 'own' },
    'shop.json': { format: 2, roles: ['of its own'] },
  });
  const vault = await open(folder);
  expect(vault.clients.map(({ name }) => name)).toEqual(['acme']);
  expect([...vault.newer.keys()].toSorted()).toEqual(['caller/shop', 'client/two']);
  await writeFile(join(folder, 'two.json'), JSON.stringify(client));
  await vault.reload();
  expect(vault.clients.map(({ name }) => name).toSorted()).toEqual(['acme', 'two']);
});

it('is read-only', async () => {
  const folder = await folderWith({ 'acme.json': client });
  const vault = await open(folder);
  await expect(vault.changeClient('acme', () => undefined)).rejects.toMatchObject({ code: 'read_only' });
  expect(vault.findClient('acme')).toBeDefined();
});

it.each([
  ['a format that is none', 'acme.json', { ...client, format: 'canary' }, 'format must be a whole number from 1'],
  ['format 0', 'acme.json', { ...client, format: 0 }, 'format must be a whole number from 1'],
  ['no JSON', 'acme.json', 'canary {', 'is not JSON'],
  ['a list', 'acme.json', '[]', 'must be a JSON object'],
  ['an unknown field', 'acme.json', { ...client, canary: 1 }, 'must have no other fields than'],
  [
    'a wrong environment',
    'acme.json',
    { ...client, environment: 'canary' },
    'environment must be sandbox or production',
  ],
  ['no secret', 'acme.json', { environment: 'sandbox', client_id: 'a' }, 'client_secrets must be'],
  ['three secrets', 'acme.json', { environment: 'sandbox', client_id: 'a', client_secrets: ['1', '2', '3'] }, '1 to 2'],
  ['an empty secret', 'acme.json', { ...client, client_secret: '' }, 'client_secret must be'],
  ['a header that is none', 'acme.json', { ...client, extra_headers: { 'a b': 'c' } }, 'extra_headers must be'],
  ['enabled as a text', 'acme.json', { ...client, enabled: 'canary' }, 'enabled must be true or false'],
  ['an unknown role', 'shop.json', { roles: ['canary'] }, 'roles must be token or ops or admin'],
  ['a grant that is none', 'shop.json', { roles: ['token'], grants: [{ client: 'A B' }] }, 'grants.client must be'],
  ['a key without its hash', 'shop.json', { roles: [], keys: [{ id: '0123456789ab', hash: 'canary' }] }, 'keys.hash'],
  ['a name that cannot be', 'No Name.json', client, 'its name must be'],
])('refuses a file with %s, by its name and without its value', async (_, name, content, how) => {
  const folder = await folderWith({ [name]: content });
  const error: unknown = await open(folder).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'damaged', message: expect.stringContaining(how) });
  expect(String(error)).toContain(name);
  expect(String(error)).not.toContain('canary');
});

it('is sealed anew under other master keys, of which none needs to be the old one', async () => {
  const folder = await folderWith({ 'acme.json': client });
  const own = KeyRing.parse(KeyRing.generate('old'));
  const vault = await Vault.open(new DirectoryVaultStore(folder, new Sealer(own), VAULT_PURPOSE), own, Date.now);
  const { generation } = vault.findClient('acme')!;
  own.adopt(KeyRing.parse(KeyRing.generate('next')));
  await vault.reload();
  expect([vault.outdated, vault.locked.size, vault.findClient('acme')!.generation]).toEqual([0, 0, generation]);
});
