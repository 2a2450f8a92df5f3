import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';

import { FileVaultStore, KeyRing, replaceCaller, Secret, Vault } from '#vault';

import { aFolder } from '../support/folder.js';

const ring = KeyRing.parse(KeyRing.generate('test'));
const root = join(import.meta.dirname, '../..');

function vaultAt(path: string): Promise<Vault> {
  return Vault.open(new FileVaultStore(path), ring, Date.now);
}

async function aVaultFile() {
  const path = join(aFolder(), 'vault.json');
  const vault = await vaultAt(path);
  const client = { environment: 'sandbox' as const, clientId: 'id', clientSecret: new Secret('canary-secret') };
  await vault.saveClients([
    { ...client, name: 'acme' },
    { ...client, name: 'other' },
  ]);
  return { path, bytes: await readFile(path) };
}

it('is readable by its owner alone, and shows no secret', async () => {
  const { path, bytes } = await aVaultFile();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(bytes.toString()).not.toContain('canary');
});

it('cut short anywhere is refused, and left as it is', async () => {
  const { path, bytes } = await aVaultFile();
  for (let length = 0; length < bytes.length - 1; length += 13) {
    await writeFile(path, bytes.subarray(0, length));
    await expect(vaultAt(path)).rejects.toMatchObject({ code: 'unreadable', message: expect.stringContaining(path) });
    expect((await readFile(path)).equals(bytes.subarray(0, length))).toBe(true);
  }
});

it('with any one bit changed is refused; inside a record by its name', async () => {
  const { path, bytes } = await aVaultFile();
  const [start, end] = [bytes.indexOf('"sealed": "') + 11, bytes.indexOf('other')];
  // The last byte is the line break behind the JSON.
  for (let at = 0; at < bytes.length - 1; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1 << (at & 7);
    await writeFile(path, changed);
    const insideSealed = at >= start && at < bytes.indexOf('"', start);
    const stillJson = changed[at] !== 0x22 && changed[at] !== 0x5c && changed[at]! >= 0x20 && changed[at]! < 0x80;
    await expect(vaultAt(path)).rejects.toMatchObject({
      name: 'VaultError',
      message: expect.stringContaining(insideSealed && stillJson ? 'client/acme' : path),
    });
    expect((await readFile(path)).equals(changed)).toBe(true);
  }
  expect(end).toBeGreaterThan(start);
});

it.each([
  ['an empty object', '{}'],
  ['a list', '[]'],
  ['another format', '{"format":2,"records":{}}'],
  ['a record that is none', '{"format":1,"records":{"client/a":null}}'],
])('holding %s is refused', async (_, text) => {
  const path = join(aFolder(), 'vault.json');
  await writeFile(path, text);
  await expect(vaultAt(path)).rejects.toMatchObject({ name: 'VaultError', message: expect.stringContaining(path) });
});

it('that is a folder, or lies in a file, is refused with one clear line', async () => {
  const folder = aFolder();
  await mkdir(join(folder, 'vault.json'));
  await expect(vaultAt(join(folder, 'vault.json'))).rejects.toMatchObject({ code: 'unreadable' });
  await writeFile(join(folder, 'file'), '');
  await expect(vaultAt(join(folder, 'file/vault.json'))).rejects.toMatchObject({ code: 'unreadable' });
});

it('killed in the middle of a write, at any point, holds the old state or the new', async () => {
  const folder = aFolder();
  const path = join(folder, 'vault.json');
  const ringFile = join(folder, 'ring');
  const ringText = KeyRing.generate('test');
  await writeFile(ringFile, ringText);
  let writes = 0;
  for (let round = 0; round < 25; round += 1) {
    const child = spawn(process.execPath, [join(root, 'test/support/vault-writer.mjs'), path, ringFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const vault = await Vault.open(new FileVaultStore(path), KeyRing.parse(ringText), Date.now);
    const secrets = vault.clients.map(({ secrets: [first] }) => first!.secret.reveal());
    // The writer saves both clients in one change, always with the same secret.
    expect(new Set(secrets).size).toBe(1);
    expect(Number(secrets[0])).toBeGreaterThanOrEqual(writes);
    writes = Number(secrets[0]);
  }
  expect(writes).toBeGreaterThan(25);
  const left = (await readdir(folder)).toSorted();
  expect(left.filter((name) => name !== 'vault.json.tmp')).toEqual(['ring', 'vault.json', 'vault.json.lock']);
}, 60_000);

it('written by several processes at once loses nothing', async () => {
  const folder = aFolder();
  const path = join(folder, 'vault.json');
  const ringFile = join(folder, 'ring');
  const ringText = KeyRing.generate('test');
  await writeFile(ringFile, ringText);
  const vault = await Vault.open(new FileVaultStore(path), KeyRing.parse(ringText), Date.now);
  await vault.changeCaller('shop', (current, at) =>
    replaceCaller(current, 'shop', { roles: ['token'], grants: [] }, at),
  );
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, [join(root, 'test/support/vault-writer.mjs'), path, ringFile, '10'], { stdio: 'inherit' }),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number));
  expect(codes).toEqual([0, 0, 0, 0]);
  const again = await Vault.open(new FileVaultStore(path), KeyRing.parse(ringText), Date.now);
  expect(again.findCaller('shop')!.keys).toHaveLength(40);
}, 60_000);

it('on a full disk refuses the write, keeps what there was, and goes on when there is room', async () => {
  const folder = aFolder();
  // A small file system of its own, in a mount namespace that ends with the process.
  const inside = 'mount -t tmpfs -o size=64k tmpfs "$1" && exec "$2" "$3" "$1"';
  const filler = join(root, 'test/support/vault-filler.mjs');
  const child = spawn('unshare', ['-rm', 'sh', '-c', inside, 'sh', folder, process.execPath, filler], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code]] = await Promise.all([textOf(child.stdout), once(child, 'close')]);
  expect(code).toBe(0);
  const seen = JSON.parse(output) as {
    written: number;
    failure: object;
    reopened: number;
    after: string[];
    files: string[];
  };
  expect(seen.failure).toMatchObject({ code: 'unwritable', message: expect.stringContaining('ENOSPC') });
  expect(seen.written).toBeGreaterThan(3);
  expect(seen.reopened).toBe(seen.written);
  expect(seen.after).toHaveLength(seen.written - 1);
  expect(seen.after).toContain('after');
  expect(seen.files.toSorted()).toEqual(['vault.json', 'vault.json.lock']);
}, 30_000);
