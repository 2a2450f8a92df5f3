import { hash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:tls';

import { Logger } from '@nestjs/common';

import { Secret } from '#vault';

import type { TlsConfig, TlsFiles } from '../config/broker-config.js';
import { contextOf, tlsProblems } from '../config/read-tls.js';

/** How often the files are looked at, in ms. Kubernetes swaps a link above them, which watchers of files may miss. */
const LOOK_EVERY_MS = 1_000;

/** Gives new connections what the TLS files hold now, within two seconds of a change, until the server is closed. Open
 *  connections stay as they are. What cannot be used is logged once, and what was in use before stays in use. */
export function followTlsFiles(server: Server, config: TlsConfig): void {
  const reload = new TlsReload(server, config);
  const timer = setInterval(() => void reload.look(), LOOK_EVERY_MS).unref();
  server.once('close', () => clearInterval(timer));
}

class TlsReload {
  readonly #log = new Logger('tls');
  /** Fingerprints of what is in use or known to be of no use, and of what was of no use at the last look. */
  #judged: string;
  #doubted = '';
  #looking = false;

  constructor(
    private readonly server: Server,
    private readonly config: TlsConfig,
  ) {
    this.#judged = fingerprint(config.files);
  }

  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const found = await this.#read();
    this.#looking = false;
    const state = typeof found === 'string' ? found : fingerprint(found);
    if (state === this.#judged) return;
    const reason = typeof found === 'string' ? found : tlsProblems(found).join('; ');
    if (typeof found !== 'string' && reason === '') this.#use(found);
    else if (state === this.#doubted) this.#log.error({ event: 'tls_unreadable', reason });
    else {
      // Files are replaced one after the other: only what is still so at the next look is a mistake.
      this.#doubted = state;
      return;
    }
    this.#judged = state;
  }

  /** @returns why they cannot be read, if they cannot */
  async #read(): Promise<TlsFiles | string> {
    const { certFile, keyFile, clientCaFile } = this.config;
    try {
      const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
      const clientCa = clientCaFile === undefined ? undefined : await readFile(clientCaFile, 'utf8');
      return { cert, key: new Secret(key), clientCa };
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #use(files: TlsFiles): void {
    this.server.setSecureContext(contextOf(files));
    const { validTo } = new X509Certificate(files.cert ?? '');
    this.#log.log({ event: 'tls_reloaded', valid_to: new Date(validTo).toISOString() });
  }
}

function fingerprint({ cert, key, clientCa }: TlsFiles): string {
  return hash('sha256', JSON.stringify([cert, key?.reveal(), clientCa]));
}
