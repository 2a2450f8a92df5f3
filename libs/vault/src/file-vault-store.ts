import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isNativeError } from 'node:util/types';

import { tryLock } from 'fs-native-extensions';

import { VaultError } from './errors.js';
import { applyChanges, type Change, type SealedRecord, type VaultStore } from './vault-store.js';

const FORMAT = 1;
const LOCK_WAIT_MS = 5_000;
const LOCK_POLL_MS = 10;

/**
 * One JSON file, `{"format": 1, "records": {name: {"version", "sealed"}}}`, mode 0600. Written to a temporary file,
 * synced and renamed, so that a reader sees the old state or the new one. Writers of one machine take turns by a lock
 * of the operating system on `<path>.lock`, which dies with its owner.
 */
export class FileVaultStore implements VaultStore {
  readonly description: string;

  constructor(readonly path: string) {
    this.description = `the vault file ${path}`;
  }

  async read(): Promise<SealedRecord[]> {
    return [...(await this.#load()).values()];
  }

  async write(changes: readonly Change[]): Promise<void> {
    try {
      await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
      await this.#locked(async () => {
        // Read under the lock: another process may have written since we last looked.
        const records = await this.#load();
        const stale = applyChanges(records, changes);
        if (stale !== undefined) throw new VaultError('conflict', `${stale} was changed by somebody else`);
        await this.#replace(records);
      });
    } catch (error) {
      if (error instanceof VaultError) throw error;
      throw new VaultError('unwritable', `${this.description} cannot be written: ${reason(error)}`, { cause: error });
    }
  }

  async #load(): Promise<Map<string, SealedRecord>> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if (isErrno(error) && error.code === 'ENOENT') return new Map();
      throw new VaultError('unreadable', `${this.description} cannot be read: ${reason(error)}`, { cause: error });
    }
    return new Map(parseVaultFile(text, this.description).map((record) => [record.name, record]));
  }

  async #locked(work: () => Promise<void>): Promise<void> {
    const lock = await open(`${this.path}.lock`, 'a', 0o600);
    try {
      for (let waitedMs = 0; !tryLock(lock.fd); waitedMs += LOCK_POLL_MS) {
        if (waitedMs >= LOCK_WAIT_MS) {
          throw new VaultError('unwritable', `${this.description} is being written by another process`);
        }
        await sleep(LOCK_POLL_MS);
      }
      await work();
    } finally {
      await lock.close();
    }
  }

  async #replace(records: Map<string, SealedRecord>): Promise<void> {
    const entries = [...records.values()].map(({ name, version, sealed }) => [name, { version, sealed }]);
    const text = JSON.stringify({ format: FORMAT, records: Object.fromEntries(entries) }, null, 2);
    const temporary = `${this.path}.tmp`;
    try {
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(`${text}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(this.path));
  }
}

/** Without this, a power cut may undo the rename. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function parseVaultFile(text: string, description: string): SealedRecord[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's message may quote the file: it is left out.
    throw new VaultError('unreadable', `${description} is cut short or is not JSON; it was left as it is`);
  }
  if (!isObject(content) || !isObject(content['records'])) {
    throw new VaultError('unreadable', `${description} is not a vault; it was left as it is`);
  }
  if (content['format'] !== FORMAT || Object.keys(content).length !== 2) {
    throw new VaultError('unreadable', `${description} has a format that this version does not read`);
  }
  return Object.entries(content['records']).map(([name, record]) => {
    if (!isObject(record) || typeof record['version'] !== 'number' || typeof record['sealed'] !== 'string') {
      throw new VaultError('damaged', `${name} in ${description} is damaged; the file was left as it is`);
    }
    return { name, version: record['version'], sealed: record['sealed'] };
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return isNativeError(error) && 'code' in error;
}

function reason(error: unknown): string {
  return isErrno(error) && error.code !== undefined ? error.code : 'unexpected error';
}
