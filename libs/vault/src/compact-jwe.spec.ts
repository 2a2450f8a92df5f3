import { randomBytes } from 'node:crypto';

import fc from 'fast-check';
import { compactDecrypt, CompactEncrypt } from 'jose';

import { encryptCompact } from './compact-jwe.js';

const key = randomBytes(32);
const header = { kid: 'a', use: 'token', rec: 'record', ver: 1_764_000_000_000_000 };
const algorithms = { keyManagementAlgorithms: ['A256GCMKW'], contentEncryptionAlgorithms: ['A256GCM'] };

it('is what jose opens, whatever it holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 2_000 }), async (plaintext) => {
      const opened = await compactDecrypt(encryptCompact(plaintext, key, header), key, algorithms);
      expect(new TextDecoder().decode(opened.plaintext)).toBe(plaintext);
      expect(opened.protectedHeader).toMatchObject({ alg: 'A256GCMKW', enc: 'A256GCM', ...header });
    }),
  );
});

it('has the form that jose gives it', async () => {
  const ours = encryptCompact('plain', key, header);
  const theirs = await new CompactEncrypt(new TextEncoder().encode('plain'))
    .setProtectedHeader({ alg: 'A256GCMKW', enc: 'A256GCM', ...header })
    .encrypt(key);
  expect(shapeOf(ours)).toEqual(shapeOf(theirs));
});

it('opens with no other key, and not once a character was changed', async () => {
  const sealed = encryptCompact('plain', key, header);
  await expect(compactDecrypt(sealed, randomBytes(32), algorithms)).rejects.toThrow('decryption operation failed');
  for (let at = 0; at < sealed.length; at += 7) {
    if (sealed[at] === '.') continue;
    const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
    await expect(compactDecrypt(changed, key, algorithms)).rejects.toThrow(/./);
  }
});

it('never uses a nonce or a content key twice', () => {
  const all = Array.from({ length: 1_000 }, () => encryptCompact('plain', key, header).split('.'));
  for (const part of [0, 1, 2, 3, 4]) expect(new Set(all.map((parts) => parts[part])).size).toBe(all.length);
});

function shapeOf(sealed: string) {
  const [head = '', ...parts] = sealed.split('.');
  const names: unknown = JSON.parse(Buffer.from(head, 'base64url').toString());
  return { header: Object.keys(names ?? {}).toSorted(), lengths: parts.map((part) => part.length) };
}
