import { configure, TextReader, Uint8ArrayWriter, ZipWriter } from '@zip.js/zip.js';

import type { UpstreamClient } from './files.js';

/** A password-locked archive like the one that MobilePay sends by e-mail. */
export async function lockedZip(
  { client_id, client_secret }: UpstreamClient,
  password: string,
): Promise<Uint8Array<ArrayBuffer>> {
  configure({ useWebWorkers: false });
  const letter = `Welcome to MobilePay.\n\nClient ID: ${client_id}\nClient Secret: ${client_secret}\n`;
  const writer = new ZipWriter(new Uint8ArrayWriter(), { password, zipCrypto: true });
  await writer.add('credentials.txt', new TextReader(letter));
  return Uint8Array.from(await writer.close());
}
