import { compactDecrypt, CompactEncrypt, decodeProtectedHeader } from 'jose';

import { VaultError } from './errors.js';
import { FORMATS, type Purpose } from './formats.js';
import { isKeyId, type KeyRing } from './key-ring.js';

/** Where a sealed value belongs. It opens nowhere else, so two records cannot be swapped and no old one replayed. */
export interface Place {
  readonly purpose: Purpose;
  readonly record: string;
  readonly version: number;
}

/**
 * Seals values as compact JWE (RFC 7516): a key of its own per value (`A256GCM`), wrapped with the ring's first key
 * (`A256GCMKW`). The number of the plaintext's form, the key's id and the place stand in the protected header. What was
 * sealed before there were numbers is of form 1.
 */
export class Sealer {
  constructor(readonly ring: KeyRing) {}

  /** @param format another form than the one that this version writes */
  async seal(
    plaintext: string,
    { purpose, record, version }: Place,
    format = FORMATS[purpose].writes,
  ): Promise<string> {
    return new CompactEncrypt(new TextEncoder().encode(plaintext))
      .setProtectedHeader({
        alg: 'A256GCMKW',
        enc: 'A256GCM',
        fmt: format,
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

  /** @throws VaultError `newer`, `wrong_key` or `damaged`; names the record */
  async open(sealed: string, place: Place): Promise<string> {
    const damaged = (how: string, cause?: unknown) =>
      new VaultError('damaged', `${place.record} cannot be opened: ${how}`, { cause });
    let header;
    try {
      header = decodeProtectedHeader(sealed);
    } catch (cause) {
      throw damaged('it is not a sealed record', cause);
    }
    // First of all: where and how a newer version seals is not known here.
    const { fmt = 1 } = header;
    if (!isRead(fmt, place)) {
      if (await this.#hasOtherFormat(sealed, place)) throw damaged('its format was changed since it was sealed');
      throw new VaultError('newer', `${place.record} ${byNewer(fmt, place)}`);
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
    for (const id of this.ring.ids) {
      if (await this.#opensWith(sealed, /"kid":"[^"]{0,64}"/, `"kid":"${id}"`)) return true;
    }
    return false;
  }

  /** The same for the number of its form. */
  async #hasOtherFormat(sealed: string, { purpose }: Place): Promise<boolean> {
    for (let format = 1; format <= FORMATS[purpose].reads; format += 1) {
      if (await this.#opensWith(sealed, /"fmt":[^,}]{0,64}/, `"fmt":${format}`)) return true;
    }
    return false;
  }

  async #opensWith(sealed: string, member: RegExp, other: string): Promise<boolean> {
    const [header = '', ...parts] = sealed.split('.');
    const text = Buffer.from(header, 'base64url').toString().replace(member, other);
    const changed = [Buffer.from(text).toString('base64url'), ...parts].join('.');
    try {
      const key = this.ring.find(decodeProtectedHeader(changed).kid ?? '');
      return key !== undefined && (await compactDecrypt(changed, key).then(() => true));
    } catch {
      return false;
    }
  }
}

function isRead(format: unknown, { purpose }: Place): boolean {
  return typeof format === 'number' && Number.isInteger(format) && format >= 1 && format <= FORMATS[purpose].reads;
}

/** What is said of a record that this version does not read. */
function byNewer(format: unknown, { purpose }: Place): string {
  const form = typeof format === 'number' ? `format ${format}, ` : '';
  return `was written by a newer version (${form}this one reads up to ${FORMATS[purpose].reads}) and is left to it`;
}

/** The id of a key that somebody else has named: only if it could be one of ours. */
function shown(id: string): string {
  return isKeyId(id) ? `"${id}"` : 'of another kind';
}
