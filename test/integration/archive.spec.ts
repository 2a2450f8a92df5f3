import { readFile } from 'node:fs/promises';

import { readArchive, type VaultError } from '#vault';

const fixture = (name: string) => readFile(new URL(`../fixtures/${name}.zip`, import.meta.url));
const password = 'fixture-password';
const pair = { clientId: 'fixture-client', clientSecret: 'fixture+secret/%:not-real==' };

describe('a locked archive', () => {
  it.each([
    ['made by zip -e', 'zipcrypto'],
    ['made by 7z with AES-256', 'aes256'],
    ['made by 7z with ZipCrypto', '7z-zipcrypto'],
    ['with a letter in it', 'prose'],
  ])('%s gives its credentials', async (_, name) => {
    expect(await readArchive(await fixture(name), password)).toEqual([pair]);
  });

  it('that holds no credentials says what was looked at, and what for', async () => {
    await expect(readArchive(await fixture('nothing'), password)).rejects.toMatchObject({
      code: 'archive',
      message: expect.stringMatching(
        /looked at "notes\.txt" \(no client id and secret in it\), "zipcrypto\.zip" \(not text\); looked for JSON, CSV/,
      ),
    });
  });

  it.each([
    ['bomb', 'unpacks to more than 262144 bytes'],
    ['many', 'more than 20 entries'],
    ['traversal', 'an entry whose name climbs out of its folder'],
  ])('that no honest sender makes (%s) is refused', async (name, message) => {
    await expect(readArchive(await fixture(name), password)).rejects.toThrow(message);
  });

  it('of more than 1 MiB is refused unread', async () => {
    await expect(readArchive(new Uint8Array(1_048_577), password)).rejects.toThrow('larger than 1048576 bytes');
  });

  it('that lies about its size is stopped at the limit', async () => {
    const bytes = await fixture('bomb');
    // The uncompressed size, in the local header and in the central directory.
    for (const at of [22, bytes.indexOf('PK\u0001\u0002', 'latin1') + 24]) bytes.writeUInt32LE(1_000, at);
    await expect(readArchive(bytes, password)).rejects.toMatchObject({ code: 'archive' });
  });

  it.each(['zipcrypto', 'aes256', '7z-zipcrypto'])('opens under no other of 1000 passwords (%s)', async (name) => {
    const bytes = await fixture(name);
    for (let i = 0; i < (name === 'aes256' ? 50 : 1_000); i += 1) {
      await expect(readArchive(bytes, `wrong-${i}`)).rejects.toMatchObject({
        code: 'archive',
        message: expect.stringContaining('the password is wrong'),
      });
    }
  });

  it('cut short or changed anywhere is refused, or gives what it gave', async () => {
    const bytes = await fixture('zipcrypto');
    for (let length = 0; length < bytes.length; length += 1) {
      await expect(readArchive(bytes.subarray(0, length), password)).rejects.toMatchObject({ code: 'archive' });
    }
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x41;
      const outcome = await readArchive(changed, password).catch((error: VaultError) => error.code);
      expect(['archive', [pair]]).toContainEqual(outcome);
    }
  });

  it('is refused without its password, and the password is in no message', async () => {
    await expect(readArchive(await fixture('aes256'), '')).rejects.toThrow('the password is wrong');
    const error: unknown = await readArchive(await fixture('nothing'), password).catch((e: unknown) => e);
    expect(String(error)).not.toContain(password);
  });
});
