import { VaultError } from './errors.js';
import { type CallerRecord, type ClientRecord, parseCaller, parseClient, serialise } from './records.js';
import type { Place, Sealer } from './sealer.js';

const PLACE: Place = { purpose: 'backup', record: 'backup', version: 1 };
const MADE_BY_NEWER = 'the backup was made by a newer version of the broker: restore it there';

/** What a vault holds, out of its store. */
export interface BackupContents {
  readonly clients: readonly ClientRecord[];
  readonly callers: readonly CallerRecord[];
}

/** Everything in one sealed value: compact JWE, under the ring's first key. */
export function sealBackup(sealer: Sealer, { clients, callers }: BackupContents): Promise<string> {
  const content = { format: 1, clients: clients.map(serialise), callers: callers.map(serialise) };
  return sealer.seal(JSON.stringify(content), PLACE);
}

/** @throws VaultError `backup` */
export async function openBackup(sealer: Sealer, backup: string): Promise<BackupContents> {
  const content: unknown = JSON.parse(await opened(sealer, backup.trim()));
  if (!isContent(content)) throw new VaultError('backup', 'the backup has a format that this version does not read');
  return { clients: content.clients.map(parseClient), callers: content.callers.map(parseCaller) };
}

async function opened(sealer: Sealer, backup: string): Promise<string> {
  try {
    return await sealer.open(backup, PLACE);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    const isNewer = error.code === 'newer';
    throw new VaultError('backup', isNewer ? MADE_BY_NEWER : error.message, { cause: error });
  }
}

function isContent(value: unknown): value is { clients: string[]; callers: string[] } {
  if (typeof value !== 'object' || value === null) return false;
  const { format, clients, callers }: Record<string, unknown> = { ...value };
  return format === 1 && [clients, callers].every((list) => Array.isArray(list) && list.every(isText));
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
