import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { VaultError } from './errors.js';
import type { Purpose } from './formats.js';
import { readMounted } from './mounted-record.js';
import { isName } from './names.js';
import { serialise } from './records.js';
import type { Sealer } from './sealer.js';
import type { SealedRecord, VaultStore } from './vault-store.js';

const MOST_FILE_BYTES = 1_048_576;

/**
 * A folder of files that somebody else writes, one for each client or caller: `<name>.json`, as Kubernetes, External
 * Secrets or a CSI driver mount them. Read-only. Entries that begin with a dot, such as Kubernetes' `..data`, are theirs.
 * The files are in clear text; what is read is sealed at once, so that the vault above treats all stores alike.
 */
export class DirectoryVaultStore implements VaultStore {
  readonly description: string;
  /** By record name. Sealing is repeated only for a file that has changed, or under another master key. */
  #known = new Map<string, SealedRecord>();

  constructor(
    readonly path: string,
    /** As the vault's own: it opens what is sealed here. */
    private readonly sealer: Sealer,
    private readonly purpose: Purpose,
  ) {
    this.description = `the vault folder ${path}`;
  }

  async read(): Promise<SealedRecord[]> {
    const names = await readdir(this.path).catch((error: unknown) => {
      throw this.#unreadable('', error);
    });
    const files = names.filter((name) => name.endsWith('.json') && !name.startsWith('.'));
    const records = await Promise.all(files.map((file) => this.#read(file)));
    const twice = records.find(({ name }, i) => records.findIndex((each) => each.name === name) !== i);
    if (twice) throw new VaultError('damaged', `${this.description} has two files for ${twice.name}`);
    this.#known = new Map(records.map((record) => [record.name, record]));
    return records;
  }

  async write(): Promise<void> {
    throw new VaultError('read_only', `${this.description} is read-only: change its files`);
  }

  async #read(file: string): Promise<SealedRecord> {
    const text = await readFile(join(this.path, file), 'utf8').catch((error: unknown) => {
      throw this.#unreadable(` (${file})`, error);
    });
    const name = file.slice(0, -'.json'.length);
    if (!isName(name)) throw this.#damaged(file, 'its name must be 1 to 63 characters of a-z, 0-9 and -, and .json');
    if (text.length > MOST_FILE_BYTES) throw this.#damaged(file, `it is larger than ${MOST_FILE_BYTES} bytes`);
    // Not a count, but as good: it differs with every change.
    const version = Number.parseInt(hash('sha256', text, 'hex').slice(0, 12), 16);
    for (const kind of ['client', 'caller'] as const) {
      const known = this.#known.get(`${kind}/${name}`);
      if (known?.version === version && this.sealer.isCurrent(known.sealed)) return known;
    }
    return this.#sealed(file, name, version, text);
  }

  async #sealed(file: string, key: string, version: number, text: string): Promise<SealedRecord> {
    try {
      const { kind, format, record } = readMounted(key, text);
      const name = `${kind}/${key}`;
      const place = { purpose: this.purpose, record: name, version };
      // Of what only a newer version reads, the vault learns no more than that.
      const sealed = record ? this.sealer.seal(serialise(record), place) : this.sealer.seal('', place, format);
      return { name, version, sealed: await sealed };
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      throw this.#damaged(file, error.message);
    }
  }

  #damaged(file: string, how: string): VaultError {
    return new VaultError('damaged', `${file} in ${this.description}: ${how}`);
  }

  #unreadable(where: string, cause: unknown): VaultError {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unexpected error';
    return new VaultError('unreadable', `${this.description} cannot be read${where}: ${code}`, { cause });
  }
}
