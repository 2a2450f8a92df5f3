import { isNativeError } from 'node:util/types';

import * as zip from '@zip.js/zip.js';

import { ARCHIVE_LIMITS } from './archive.js';
import { decodeText, type FoundCredentials, LOOKED_FOR, readCredentials } from './credential-text.js';
import { VaultError } from './errors.js';

/** Reads what `readArchive` was given.
 *  @throws VaultError `archive` */
export async function unzip(bytes: Uint8Array, password: string): Promise<FoundCredentials[]> {
  zip.configure({ useWebWorkers: false });
  const reader = new zip.ZipReader(new zip.Uint8ArrayReader(bytes), { password, checkCrc32: true });
  try {
    const entries = await reader.getEntries();
    if (entries.length > ARCHIVE_LIMITS.entries) {
      throw new VaultError('archive', `the archive has more than ${ARCHIVE_LIMITS.entries} entries`);
    }
    return await readEntries(entries.filter((entry) => !entry.directory));
  } catch (error) {
    throw error instanceof VaultError ? error : asVaultError(error);
  } finally {
    await reader.close();
  }
}

async function readEntries(entries: zip.FileEntry[]): Promise<FoundCredentials[]> {
  const found: FoundCredentials[] = [];
  const seen: string[] = [];
  const room = { bytes: ARCHIVE_LIMITS.unpackedBytes };
  for (const entry of entries) {
    const unpacked = await unpack(entry, room);
    const text = decodeText(unpacked);
    const inEntry = text === undefined ? [] : readCredentials(text);
    unpacked.fill(0);
    found.push(...inEntry);
    seen.push(`${shown(entry.filename)} (${text === undefined ? 'not text' : 'no client id and secret in it'})`);
  }
  if (found.length > 0) return found;
  const looked = seen.length > 0 ? `looked at ${seen.join(', ')}` : 'the archive holds no files';
  throw new VaultError('archive', `no credentials found: ${looked}; looked for ${LOOKED_FOR}`);
}

/** Unpacks one entry into what room is left for all of them, whatever size the archive claims. */
async function unpack(entry: zip.FileEntry, room: { bytes: number }): Promise<Uint8Array> {
  const tooLarge = () =>
    new VaultError('archive', `the archive unpacks to more than ${ARCHIVE_LIMITS.unpackedBytes} bytes`);
  if (entry.uncompressedSize > room.bytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  const sink = new WritableStream<Uint8Array>({
    write(chunk) {
      room.bytes -= chunk.length;
      if (room.bytes < 0) throw tooLarge();
      chunks.push(chunk);
    },
  });
  await entry.getData(sink);
  return Buffer.concat(chunks);
}

function asVaultError(error: unknown): VaultError {
  const message = isNativeError(error) ? error.message : '';
  switch (message) {
    case zip.ERR_INVALID_PASSWORD:
    case zip.ERR_ENCRYPTED:
      return new VaultError('archive', 'the password is wrong');
    case zip.ERR_UNSAFE_FILENAME:
      return new VaultError('archive', 'the archive has an entry whose name climbs out of its folder');
    case zip.ERR_UNSUPPORTED_ENCRYPTION:
    case zip.ERR_UNSUPPORTED_COMPRESSION:
      return new VaultError('archive', 'the archive is locked or packed in a way that is not supported');
    case zip.ERR_INVALID_CRC32:
    case zip.ERR_INVALID_AUTHENTICATION_CODE:
    case zip.ERR_INVALID_COMPRESSED_DATA:
    case zip.ERR_INVALID_UNCOMPRESSED_SIZE:
      return new VaultError('archive', 'the password is wrong, or the archive is damaged');
    default:
      return new VaultError('archive', 'this is not a zip archive, or it is damaged');
  }
}

/** An entry's name as it may be shown: printable, and not endless. */
function shown(name: string): string {
  return JSON.stringify(name.replaceAll(/[^\p{L}\p{N} ._/-]/gu, '?').slice(0, 60));
}
