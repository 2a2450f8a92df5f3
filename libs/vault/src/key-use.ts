import { decodeProtectedHeader } from 'jose';

import type { SealedRecord } from './vault-store.js';

/** How many records are sealed under each master key, by its id. */
export function keyUse(records: readonly SealedRecord[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { sealed } of records) {
    const id = keyIdOf(sealed);
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** @returns undefined if it is damaged: no key opens it */
function keyIdOf(sealed: string): string | undefined {
  try {
    return decodeProtectedHeader(sealed).kid;
  } catch {
    return undefined;
  }
}
