import { CERTIFICATE_NAME_PATTERN, MemoryVaultStore, replaceCaller, soleHolder, type Vault } from '#vault';

import { openVault, putCaller } from '../../../test/support/vault.js';
import { readMounted } from './mounted-record.js';
import { parseCaller, serialise } from './records.js';

const names = ['uri:spiffe://cluster/ns/shops/sa/till', 'dns:till.shops.svc'];

async function put(vault: Vault, name: string, certificateNames: string[]) {
  const terms = { roles: ['token'] as const, grants: [], certificateNames };
  await vault.changeCaller(name, (current, at) => soleHolder(replaceCaller(current, name, terms, at), vault.callers));
}

it.each([
  ...names,
  'dns:a',
  'dns:_spiffe.a-b.example',
  'email:Till.1+x@shops.example',
  'uri:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
  'uri:https://shops.example/till?at=[1]&of=2',
])('a certificate name may be %s', (name) => {
  expect(name).toMatch(CERTIFICATE_NAME_PATTERN);
});

it.each([
  '',
  'till.shops.svc',
  'dns:',
  'dns:Till',
  'dns:*.svc',
  'dns:.svc',
  'dns:a b',
  'dns:a\n',
  'DNS:a',
  'ip:10.0.0.1',
  'email:a',
  'email:a@b@c',
  'uri:till',
  'uri:spiffe://a/*',
  'uri:spiffe://a,b',
  "uri:spiffe://a'b",
  'uri:spiffe://a"b',
  'uri:spiffe://a\\b',
  'uri:spiffe://å',
  `uri:x:${'a'.repeat(2_001)}`,
])('a certificate name may not be "%s"', (name) => {
  expect(name).not.toMatch(CERTIFICATE_NAME_PATTERN);
});

it('names are kept sealed, and by what changes the keys; a put without them takes them away', async () => {
  const store = new MemoryVaultStore();
  const { vault } = await openVault(store);
  await put(vault, 'till', names);
  await vault.addCallerKey('till');
  expect((await openVault(store)).vault.findCaller('till')!.certificateNames).toEqual(names);
  await putCaller(vault, 'till');
  expect(vault.findCaller('till')!.certificateNames).toEqual([]);
});

it('names come back with a backup', async () => {
  const { vault } = await openVault();
  await put(vault, 'till', names);
  const backup = await vault.backup();
  const { vault: other } = await openVault();
  await other.restore(backup);
  expect(other.findCaller('till')!.certificateNames).toEqual(names);
});

it('a caller that was sealed before there were names has none', async () => {
  const { vault } = await openVault();
  await putCaller(vault, 'till');
  const { certificateNames: _, ...before } = JSON.parse(serialise(vault.findCaller('till')!)) as Record<
    string,
    unknown
  >;
  expect(parseCaller(JSON.stringify(before)).certificateNames).toEqual([]);
});

it('a name that another caller has is refused; one’s own is not', async () => {
  const { vault } = await openVault();
  await put(vault, 'till', names);
  await expect(put(vault, 'other', ['dns:other', names[1]!])).rejects.toMatchObject({ code: 'conflict' });
  expect(vault.findCaller('other')).toBeUndefined();
  await put(vault, 'till', [names[1]!]);
  await put(vault, 'other', [names[0]!]);
});

it('a mounted file may have names, and no others', () => {
  const read = (certificate_names: unknown) => readMounted('till', JSON.stringify({ roles: [], certificate_names }));
  expect(read(names).record).toMatchObject({ certificateNames: names });
  for (const wrong of [['canary'], 'dns:a', [1], null]) {
    expect(() => read(wrong)).toThrow(/^certificate_names must be a list of uri:, dns: or email:/);
  }
});
