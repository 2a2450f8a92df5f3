import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

import { Secret } from './secret.js';

/**
 * A caller key: `tbk_`, an id of 12 hex digits, 256 random bits in base64url (43 characters), and a CRC-32 of all that
 * in 8 hex digits, by which a mistyped key and a leaked one are told at sight.
 */
const KEY = /^tbk_[0-9a-f]{12}[A-Za-z0-9_-]{43}[0-9a-f]{8}$/;
const ID_START = 4;
const ID_END = 16;

export interface NewCallerKey {
  readonly id: string;
  readonly key: Secret;
  readonly hash: Buffer;
}

export function newCallerKey(): NewCallerKey {
  const id = randomBytes(6).toString('hex');
  const body = `tbk_${id}${randomBytes(32).toString('base64url')}`;
  const key = body + checksum(body);
  return { id, key: new Secret(key), hash: hashOfCallerKey(key) };
}

/** The id inside a key; undefined if it is not shaped like one. Says nothing of its being right. */
export function callerKeyId(key: string): string | undefined {
  return key.startsWith('tbk_') ? key.slice(ID_START, ID_END) : undefined;
}

/** Whether a key is shaped like one, checksum included. */
export function isCallerKey(key: string): boolean {
  return KEY.test(key) && key.endsWith(checksum(key.slice(0, -8)));
}

/** SHA-256. A key holds 256 random bits, so a slow hash would protect nothing more. */
export function hashOfCallerKey(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

/** Compares in constant time. */
export function callerKeyMatches(key: string, expected: Buffer): boolean {
  return timingSafeEqual(hashOfCallerKey(key), expected);
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
