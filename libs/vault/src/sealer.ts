import { compactDecrypt, CompactEncrypt, decodeProtectedHeader } from 'jose';

import { VaultError } from './errors.js';
import { isKeyId, type KeyRing } from './key-ring.js';

/** Where a sealed value belongs. It opens nowhere else, so two records cannot be swapped and no old one replayed. */
export interface Place {
  /** What kind of thing it is, such as `vault`. */
  readonly purpose: string;
  readonly record: string;
  readonly version: number;
}

/**
 * Seals values as compact JWE (RFC 7516): a key of its own per value (`A256GCM`), wrapped with the ring's first key
 * (`A256GCMKW`). The key's id and the place stand in the protected header.
 */
export class Sealer {
  constructor(readonly ring: KeyRing) {}

  async seal(plaintext: string, { purpose, record, version }: Place): Promise<string> {
    return new CompactEncrypt(new TextEncoder().encode(plaintext))
      .setProtectedHeader({
        alg: 'A256GCMKW',
        enc: 'A256GCM',
        kid: this.ring.sealingId,
        use: purpose,
        rec: record,
        ver: version,
      })
      .encrypt(this.ring.sealingKey);
  }

  /** Whether it is sealed under the ring's first key. */
  isCurrent(sealed: string): boolean {
    return decodeProtectedHeader(sealed).kid === this.ring.sealingId;
  }

  /** @throws VaultError `wrong_key` or `damaged`; names the record */
  async open(sealed: string, place: Place): Promise<string> {
    const damaged = (how: string, cause?: unknown) =>
      new VaultError('damaged', `${place.record} cannot be opened: ${how}`, { cause });
    let header;
    try {
      header = decodeProtectedHeader(sealed);
    } catch (cause) {
      throw damaged('it is not a sealed record', cause);
    }
    if (header['use'] !== place.purpose || header['rec'] !== place.record || header['ver'] !== place.version) {
      throw damaged('it was sealed for another place or version');
    }
    // The last character of a base64url part has bits that decoding ignores.
    if (sealed.split('.').some((part) => Buffer.from(part, 'base64url').toString('base64url') !== part)) {
      throw damaged('it was changed since it was sealed');
    }
    if (header.kid === undefined) throw damaged('it names no master key');
    const key = this.ring.find(header.kid);
    if (!key) {
      if (await this.#hasOtherKeyId(sealed)) throw damaged('the id of its master key was changed since it was sealed');
      throw new VaultError(
        'wrong_key',
        `${place.record} is sealed under master key ${shown(header.kid)}, which is not in the ring (${this.ring.ids.join(', ')})`,
      );
    }
    try {
      const { plaintext } = await compactDecrypt(sealed, key, {
        keyManagementAlgorithms: ['A256GCMKW'],
        contentEncryptionAlgorithms: ['A256GCM'],
      });
      return new TextDecoder().decode(plaintext);
    } catch (cause) {
      throw damaged('it was changed since it was sealed, or the master key has another value', cause);
    }
  }

  /** Whether it opens as soon as its header names one of our keys: then only the name was changed. */
  async #hasOtherKeyId(sealed: string): Promise<boolean> {
    const [header = '', ...parts] = sealed.split('.');
    const text = Buffer.from(header, 'base64url').toString();
    for (const id of this.ring.ids) {
      const named = Buffer.from(text.replace(/"kid":"[^"]{0,64}"/, `"kid":"${id}"`)).toString('base64url');
      const key = this.ring.find(id);
      const opens = key && compactDecrypt([named, ...parts].join('.'), key).then(() => true);
      if (await opens?.catch(() => false)) return true;
    }
    return false;
  }
}

/** The id of a key that somebody else has named: only if it could be one of ours. */
function shown(id: string): string {
  return isKeyId(id) ? `"${id}"` : 'of another kind';
}
