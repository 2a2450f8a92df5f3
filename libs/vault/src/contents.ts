import { VaultError } from './errors.js';
import type { CallerRecord, ClientRecord, RecordKind } from './records.js';

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
  /** Store names of what is sealed under another key than the ring's first. */
  readonly outdated: Set<string>;
}

export function noContents(): Contents {
  return { client: new Map(), caller: new Map(), locked: new Map(), outdated: new Set() };
}

/** @throws VaultError `damaged` */
export function partsOf(name: string): { kind: RecordKind; key: string } {
  const [kind, key = ''] = name.split('/');
  if (kind === 'client' || kind === 'caller') return { kind, key };
  throw new VaultError('damaged', `${name} is of a kind that this version does not know`);
}

/** A record with another content has another version. Which ones are outdated changes with the master keys as well. */
export function isSame(a: Contents, b: Contents): boolean {
  const versions = ({ client, caller, locked, outdated }: Contents) => [
    ...[...client].map(([name, { version }]) => `client ${name} ${version}`),
    ...[...caller].map(([name, { version }]) => `caller ${name} ${version}`),
    ...locked.keys(),
    ...[...outdated].map((name) => `outdated ${name}`),
  ];
  return JSON.stringify(versions(a).toSorted()) === JSON.stringify(versions(b).toSorted());
}

/** A Redis that was flushed, or a folder that is not mounted, is no order to forget every credential.
 *  @throws VaultError `unreadable` */
export function refuseIfLost(
  { client, caller, locked }: Contents,
  stored: readonly unknown[],
  description: string,
): void {
  const held = client.size + caller.size + locked.size;
  if (stored.length > 0 || held < 2) return;
  const advice = 'what is in memory is served on; make a backup of it now, and restore that';
  throw new VaultError('unreadable', `${description} is empty, though it held ${held} records: ${advice}`);
}
