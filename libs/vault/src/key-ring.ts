import { randomBytes, timingSafeEqual } from 'node:crypto';

import { VaultError } from './errors.js';

const KEY_BYTES = 32;
const ID = /^[A-Za-z0-9._-]{1,64}$/;

/** Whether a master key may be called that. */
export function isKeyId(id: string): boolean {
  return ID.test(id);
}

/** The master keys: the first one seals, all open. */
export class KeyRing {
  #keys: ReadonlyMap<string, Uint8Array>;
  #sealingId: string;

  private constructor(keys: Map<string, Uint8Array>, sealingId: string) {
    this.#keys = keys;
    this.#sealingId = sealingId;
  }

  /** @param text `id:base64 of 32 bytes`, comma-separated
   *  @throws VaultError `invalid`; names the place in the list, never a key */
  static parse(text: string): KeyRing {
    const keys = new Map<string, Uint8Array>();
    const entries = text.split(',').map((entry) => entry.trim());
    for (const [index, entry] of entries.entries()) {
      const colon = entry.indexOf(':');
      const id = entry.slice(0, Math.max(0, colon));
      const key = Buffer.from(entry.slice(colon + 1), 'base64');
      const place = `master key ${index + 1}`;
      if (!isKeyId(id))
        throw new VaultError('invalid', `${place} must be id:base64, the id of letters, digits and ._-`);
      if (key.length !== KEY_BYTES) throw new VaultError('invalid', `${place} (${id}) must be base64 of 32 bytes`);
      if (keys.has(id)) throw new VaultError('invalid', `${place} repeats the id ${id}`);
      keys.set(id, key);
    }
    const [sealingId] = keys.keys();
    if (sealingId === undefined) throw new VaultError('invalid', 'no master key given');
    return new KeyRing(keys, sealingId);
  }

  /** A ring of one new key, in the form that `parse` reads. */
  static generate(id: string): string {
    return `${id}:${randomBytes(KEY_BYTES).toString('base64')}`;
  }

  /** Takes over the keys of another ring, for everybody who holds this one.
   *  @throws VaultError `invalid` if a key has another value there: what was sealed under it would open no more */
  adopt(other: KeyRing): void {
    for (const [id, key] of other.#keys) {
      const known = this.#keys.get(id);
      if (known && !timingSafeEqual(known, key)) {
        throw new VaultError('invalid', `master key ${id} has another value than before: give a new key a new id`);
      }
    }
    this.#keys = other.#keys;
    this.#sealingId = other.#sealingId;
  }

  get sealingId(): string {
    return this.#sealingId;
  }

  get ids(): string[] {
    return [...this.#keys.keys()];
  }

  find(id: string): Uint8Array | undefined {
    return this.#keys.get(id);
  }

  get sealingKey(): Uint8Array {
    const key = this.#keys.get(this.#sealingId);
    if (!key) throw new VaultError('invalid', 'the ring lost its sealing key');
    return key;
  }
}
