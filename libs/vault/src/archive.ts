import type { FoundCredentials } from './credential-text.js';
import { VaultError } from './errors.js';

/** What an archive may hold at most. */
export const ARCHIVE_LIMITS = { archiveBytes: 1_048_576, entries: 20, unpackedBytes: 262_144 } as const;

/**
 * Reads client credentials from the password-locked zip that MobilePay sends, ZipCrypto or AES. In memory alone: entry
 * names are shown, and never become paths.
 * @throws VaultError `archive`; says what is wrong, or which entries were looked at and what for
 */
export async function readArchive(bytes: Uint8Array, password: string): Promise<FoundCredentials[]> {
  if (bytes.length > ARCHIVE_LIMITS.archiveBytes) {
    throw new VaultError('archive', `the archive is larger than ${ARCHIVE_LIMITS.archiveBytes} bytes`);
  }
  // With the first import: what unzips and reads CSV is 60 files, which a start need not wait for.
  const { unzip } = await import('./unzip.js');
  return unzip(bytes, password);
}
