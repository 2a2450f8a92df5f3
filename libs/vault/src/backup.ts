import type { Edit } from './edit.js';
import { VaultError } from './errors.js';
import { type CallerRecord, type ClientRecord, parseCaller, parseClient, serialise } from './records.js';
import type { Place, Sealer } from './sealer.js';
import type { Change, SealedRecord } from './vault-store.js';

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

/** What makes a store hold what a backup does, and nothing else.
 *  @param seal an edit of a record of which a version is stored, or none */
export async function changesTo(
  { clients, callers }: BackupContents,
  stored: readonly SealedRecord[],
  seal: (edit: Edit, current: number | undefined) => Promise<Change>,
): Promise<Change[]> {
  const kept = [
    ...clients.map((next): Edit => ({ kind: 'client', name: next.name, next })),
    ...callers.map((next): Edit => ({ kind: 'caller', name: next.name, next })),
  ];
  const versions = new Map(stored.map(({ name, version }) => [name, version]));
  const changes = await Promise.all(kept.map((edit) => seal(edit, versions.get(`${edit.kind}/${edit.name}`))));
  for (const { name } of changes) versions.delete(name);
  const gone = [...versions].map(([name, version]) => ({ name, expectedVersion: version, version, sealed: undefined }));
  return [...changes, ...gone];
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
