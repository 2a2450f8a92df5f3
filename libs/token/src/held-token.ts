import type { AccessToken } from './access-token.js';
import type { Clock } from './clock.js';
import type { TokenKey } from './key.js';
import type { TokenStore } from './ports.js';

/** A token in this replica's memory. Instants in ms on the replica's monotonic clock. */
export interface HeldToken {
  readonly token: AccessToken;
  readonly generation: number;
  readonly startedAtMs: number;
  readonly refreshAtMs: number;
  readonly expiresAtMs: number;
  /** Where this replica got it: from the upstream, or from another replica by way of the shared store. */
  readonly source: TokenSource;
}

export type TokenSource = 'upstream' | 'store';

/** Tokens put into the store at once. */
const SEEDS_AT_ONCE = 32;

/** Puts what a replica holds into the store, where nothing better is there.
 *  @param onInvalidated for each token that the store has dropped
 *  @throws StoreAwayError */
export async function seedAll(
  { store, clock }: { readonly store: TokenStore; readonly clock: Clock },
  entries: Iterable<{ readonly key: TokenKey; readonly held: HeldToken | undefined }>,
  onInvalidated: (id: string, generation: number) => void,
): Promise<void> {
  const next = entries[Symbol.iterator]();
  const asOfMs = await store.now();
  // After the answer: at worst tokens seem older than they are.
  const now = clock.now();
  const seedOneByOne = async (): Promise<void> => {
    for (let entry = next.next(); !entry.done; entry = next.next()) {
      const { key, held } = entry.value;
      const remainingMs = (held?.expiresAtMs ?? 0) - now;
      if (!held || remainingMs <= 0) continue;
      const { token, generation, startedAtMs, expiresAtMs } = held;
      const seeded = { token, generation, lifeMs: expiresAtMs - startedAtMs, remainingMs };
      const outcome = await store.seed(key, seeded, asOfMs);
      if (outcome === 'invalidated') onInvalidated(key.id, generation);
    }
  };
  await Promise.all(Array.from({ length: SEEDS_AT_ONCE }, seedOneByOne));
}
