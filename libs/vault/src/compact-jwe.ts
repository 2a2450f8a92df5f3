import { createCipheriv, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const IV_BYTES = 12;

/**
 * A compact JWE (RFC 7516) of `A256GCMKW` and `A256GCM` (RFC 7518 §4.7, §5.3), byte for byte as `jose` writes it and
 * reads it back. At once, where `jose` sends four jobs to other threads: that took a quarter of a renewal's processor
 * time, this a tenth of that.
 * @param header what the protected header says besides the algorithms
 */
export function encryptCompact(plaintext: string, key: Uint8Array, header: Readonly<Record<string, unknown>>): string {
  const contentKey = randomBytes(KEY_BYTES);
  const wrapped = encrypt(contentKey, key);
  const algorithms = { alg: 'A256GCMKW', enc: 'A256GCM' };
  const wrapping = { iv: wrapped.iv.toString('base64url'), tag: wrapped.tag.toString('base64url') };
  const head = Buffer.from(JSON.stringify({ ...algorithms, ...header, ...wrapping })).toString('base64url');
  // Its additional data is the header as it is sent (RFC 7516 §5.1, step 14).
  const { iv, ciphertext, tag } = encrypt(Buffer.from(plaintext), contentKey, Buffer.from(head));
  return [head, ...[wrapped.ciphertext, iv, ciphertext, tag].map((part) => part.toString('base64url'))].join('.');
}

/** With a nonce of its own, which is random: one content key serves one value, and a master key far fewer than 2^32. */
function encrypt(plaintext: Buffer, key: Uint8Array, additional?: Buffer) {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv);
  if (additional) cipher.setAAD(additional);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { iv, ciphertext, tag: cipher.getAuthTag() };
}
