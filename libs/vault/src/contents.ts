import { VAULT_PURPOSE } from './edit.js';
import { VaultError } from './errors.js';
import { type CallerRecord, type ClientRecord, parseCaller, parseClient, type RecordKind } from './records.js';
import type { Sealer } from './sealer.js';
import type { SealedRecord } from './vault-store.js';

/** How many records an error names. */
const MOST_NAMED = 3;

/** A record with the count of its changes, from 1. */
export interface Versioned<T> {
  readonly record: T;
  readonly version: number;
}

export interface Contents {
  readonly client: Map<string, Versioned<ClientRecord>>;
  readonly caller: Map<string, Versioned<CallerRecord>>;
  /** By store name, why it cannot be opened: sealed under a key that the ring does not hold. */
  readonly locked: Map<string, VaultError>;
  /** The same for what a newer version wrote. */
  readonly newer: Map<string, VaultError>;
  /** Store names of what is sealed under another key than the ring's first. */
  readonly outdated: Set<string>;
}

export function noContents(): Contents {
  return { client: new Map(), caller: new Map(), locked: new Map(), newer: new Map(), outdated: new Set() };
}

/** @throws VaultError `newer` */
export function partsOf(name: string): { kind: RecordKind; key: string } {
  const [kind, key = ''] = name.split('/');
  if (kind === 'client' || kind === 'caller') return { kind, key };
  throw new VaultError('newer', `${name} is of a kind that only a newer version knows, and is left to it`);
}

/** Opens all that a store holds.
 *  @throws VaultError `damaged`, or `wrong_key` if nothing can be opened of what is not of a newer version */
export async function openContents(
  sealer: Sealer,
  stored: readonly SealedRecord[],
  description: string,
): Promise<Contents> {
  const { contents, failures } = await openEach(sealer, stored);
  const { locked, newer } = contents;
  if (locked.size > 0 && locked.size + newer.size === stored.length) failures.push(...locked.values());
  const [first, ...others] = failures;
  if (!first) return contents;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  throw new VaultError(first.code, `${description}: ${first.message}${more}`, { cause: first });
}

/** The same, whatever is wrong with some of it. */
export async function openEach(sealer: Sealer, stored: readonly SealedRecord[]) {
  const contents = noContents();
  const failures: VaultError[] = [];
  for (const each of stored) {
    try {
      await openInto(contents, sealer, each);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      if (error.code === 'newer') contents.newer.set(each.name, error);
      else if (error.code === 'wrong_key') contents.locked.set(each.name, error);
      else failures.push(error);
    }
  }
  return { contents, failures };
}

async function openInto(contents: Contents, sealer: Sealer, { name, version, sealed }: SealedRecord): Promise<void> {
  // Before its name is looked at: one that was changed is damaged.
  const json = await sealer.open(sealed, { purpose: VAULT_PURPOSE, record: name, version });
  const { kind, key } = partsOf(name);
  if (kind === 'client') contents.client.set(key, { record: parseClient(json), version });
  else contents.caller.set(key, { record: parseCaller(json), version });
  if (!sealer.isCurrent(sealed)) contents.outdated.add(name);
}

/** What would lose records that a newer version wrote is left to it.
 *  @throws VaultError `newer`; names them */
export function refuseIfNewer({ newer }: Pick<Contents, 'newer'>, act: string): void {
  const names = [...newer.keys()];
  if (names.length === 0) return;
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  const some = `${names.slice(0, MOST_NAMED).join(', ')}${more}`;
  throw new VaultError('newer', `${act} is left to replicas of the newer version that wrote ${some}`);
}

/** A record with another content has another version. Which ones are outdated changes with the master keys as well. */
export function isSame(a: Contents, b: Contents): boolean {
  const versions = ({ client, caller, locked, newer, outdated }: Contents) => [
    ...[...client].map(([name, { version }]) => `client ${name} ${version}`),
    ...[...caller].map(([name, { version }]) => `caller ${name} ${version}`),
    ...[...locked.keys()].map((name) => `locked ${name}`),
    ...[...newer.keys()].map((name) => `newer ${name}`),
    ...[...outdated].map((name) => `outdated ${name}`),
  ];
  return JSON.stringify(versions(a).toSorted()) === JSON.stringify(versions(b).toSorted());
}

/** A Redis that was flushed, or a folder that is not mounted, is no order to forget every credential.
 *  @throws VaultError `unreadable` */
export function refuseIfLost(
  { client, caller, locked, newer }: Contents,
  stored: readonly unknown[],
  description: string,
): void {
  const held = client.size + caller.size + locked.size + newer.size;
  if (stored.length > 0 || held < 2) return;
  const advice = 'what is in memory is served on; make a backup of it now, and restore that';
  throw new VaultError('unreadable', `${description} is empty, though it held ${held} records: ${advice}`);
}
