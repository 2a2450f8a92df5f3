import { hash } from 'node:crypto';

import type { CallerRecord, ClientRecord } from '#vault';

import { shownClient } from './shown-client.js';

/** Tells two states of records apart, and shows nothing of them: the first 16 characters of the SHA-256, base64url, over
 *  what GET shows, without the dates on which secrets and keys were used. */
export function fingerprintOf(shown: unknown): string {
  return hash('sha256', JSON.stringify(shown), 'base64url').slice(0, 16);
}

export function lastingClient(record: ClientRecord) {
  const { secrets, ...rest } = shownClient(record);
  return { ...rest, secrets: secrets.map(({ fingerprint, added_at }) => ({ fingerprint, added_at })) };
}

export function lastingCaller({ keys, certificateNames, createdAt, updatedAt, ...rest }: CallerRecord) {
  return {
    ...rest,
    keys: keys.map(({ id, createdAt: created_at, expiresAt: expires_at }) => ({ id, created_at, expires_at })),
    certificate_names: certificateNames,
    created_at: createdAt,
    updated_at: updatedAt,
  };
}
