import { addSecret, type ClientRecord, MemoryVaultStore, Secret, setEnabled, Vault, VaultError } from '#vault';

import { acme, NOW, openVault, ring } from '../../../../test/support/vault.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { CallerRequest } from '../http/caller.js';
import { Problem } from '../http/problem.js';
import { Acts } from './acts.js';

const request = { caller: { name: 'anna' }, ip: '192.0.2.1', headers: {} } as CallerRequest;

function actsOn(vault: Vault) {
  const lines: Record<string, unknown>[] = [];
  const log: Pick<AuditLog, 'write'> = { write: (event, fields) => void lines.push({ event, ...fields }) };
  return { lines, acts: new Acts(vault, log as AuditLog) };
}

function there(client: ClientRecord | undefined): ClientRecord {
  if (!client) throw new Error('no client');
  return client;
}
const FINGERPRINT = expect.stringMatching(/^[\w-]{16}$/);

it('says by whom, from where, what, and from which state to which', async () => {
  const { vault } = await openVault();
  await vault.saveClients([acme('one-secret')]);
  const { lines, acts } = actsOn(vault);
  await acts.changeClient(request, 'secret_added', 'acme', (c, at) => addSecret(there(c), new Secret('other'), at));
  await acts.changeClient(request, 'disabled', 'acme', (c, at) => setEnabled(there(c), false, at));
  await acts.changeClient(request, 'deleted', 'acme', () => undefined);
  const [one, other] = ['one-secret', 'other'].map((value) => new Secret(value).fingerprint);
  expect(lines[0]).toEqual({
    event: 'client.secret_added',
    by: 'anna',
    address: '192.0.2.1',
    subject: 'acme',
    secret: other,
    before: FINGERPRINT,
    after: FINGERPRINT,
    secrets_before: [one],
    secrets_after: [other, one],
  });
  // Each begins where the one before has ended.
  expect(lines[1]).toMatchObject({ event: 'client.disabled', before: lines[0]!['after'] });
  expect(lines[2]).toMatchObject({ before: lines[1]!['after'], after: null, secrets_after: null });
  expect(JSON.stringify(lines)).not.toContain('one-secret');
});

it('says what was really changed, when another process was quicker', async () => {
  const { store, vault } = await openVault();
  await vault.saveClients([acme()]);
  const other = await Vault.open(store, ring, () => NOW);
  await other.changeClient('acme', (c, at) => addSecret(there(c), new Secret('quicker'), at));
  const { lines, acts } = actsOn(vault);
  await acts.changeClient(request, 'disabled', 'acme', (c, at) => setEnabled(there(c), false, at));
  expect(lines).toHaveLength(1);
  expect(lines[0]!['secrets_before']).toContain(new Secret('quicker').fingerprint);
});

it('says nothing of what could have had no effect, and how a write has failed', async () => {
  const { store, vault } = await openVault();
  await vault.saveClients([acme()]);
  const { lines, acts } = actsOn(vault);
  const disable = (headers = {}) =>
    acts.changeClient({ ...request, headers }, 'disabled', 'acme', (c, at) => setEnabled(there(c), false, at));
  await expect(disable({ 'if-match': '"99"' })).rejects.toMatchObject({ code: 'precondition' });
  expect(lines).toEqual([]);
  store.write = () => Promise.reject(new VaultError('unwritable', 'full'));
  await expect(disable()).rejects.toMatchObject({ code: 'unwritable' });
  expect(lines).toMatchObject([{ event: 'client.disabled', failed: 'unwritable' }]);
});

it('says nothing of a change that came to nothing because the record was gone meanwhile', async () => {
  const { store, vault } = await openVault();
  await vault.saveClients([acme()]);
  const other = await Vault.open(store, ring, () => NOW);
  await other.changeClient('acme', () => undefined);
  const { lines, acts } = actsOn(vault);
  const disable = acts.changeClient(request, 'disabled', 'acme', (c, at) => {
    if (!c) throw new Problem('not_found', 'gone');
    return setEnabled(c, false, at);
  });
  await expect(disable).rejects.toMatchObject({ code: 'not_found' });
  expect(lines).toEqual([]);
});

it('says how far an act of many steps came, though it failed', async () => {
  const { vault } = await openVault();
  const { lines, acts } = actsOn(vault);
  let done = 0;
  const work = async () => {
    done = 3;
    throw new VaultError('unreadable', 'gone');
  };
  const rekey = () =>
    acts.actOnVault(
      request,
      'rekeyed',
      work,
      () => ({ resealed: done }),
      () => done > 0,
    );
  await expect(rekey()).rejects.toMatchObject({ code: 'unreadable' });
  expect(lines).toMatchObject([{ event: 'vault.rekeyed', resealed: 3, failed: 'unreadable' }]);
});

it('of a caller names the key, and tells a new caller from a replaced one', async () => {
  const { vault } = await openVault();
  const { lines, acts } = actsOn(vault);
  const at = new Date(NOW).toISOString();
  const shop = { name: 'shop', roles: [], grants: [], keys: [], certificateNames: [], createdAt: at, updatedAt: at };
  await acts.changeCaller(request, 'replaced', 'shop', (current) => current ?? shop);
  await acts.changeCaller(request, 'replaced', 'shop', (current) => current ?? shop);
  const { id, key } = await acts.addCallerKey(request, 'shop');
  expect(lines).toMatchObject([
    { event: 'caller.created', subject: 'shop', before: null },
    { event: 'caller.replaced', before: FINGERPRINT },
    { event: 'caller.key_added', key: id, before: lines[1]!['after'] },
  ]);
  expect(JSON.stringify(lines)).not.toContain(key.reveal());
});

it('of the vault compares everything in it', async () => {
  const { vault } = await openVault(new MemoryVaultStore());
  const { lines, acts } = actsOn(vault);
  await vault.saveClients([acme()]);
  const backup = await acts.actOnVault(request, 'backed_up', () => vault.backup());
  await vault.saveClients([acme('changed')]);
  await acts.actOnVault(
    request,
    'restored',
    () => vault.restore(backup),
    (done) => done ?? {},
  );
  const [backedUp, restored] = lines;
  expect(backedUp).toMatchObject({ event: 'vault.backed_up', subject: null, after: backedUp!['before'] });
  expect(restored).toMatchObject({ event: 'vault.restored', clients: 1, after: backedUp!['after'] });
  expect(restored!['before']).not.toBe(restored!['after']);
  await expect(acts.actOnVault(request, 'restored', () => vault.restore('no'))).rejects.toMatchObject({
    code: 'backup',
  });
  expect(lines).toHaveLength(2);
});
