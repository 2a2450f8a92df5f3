import type { IssuerError } from './errors.js';
import type { HeldToken } from './held-token.js';
import type { TokenKey } from './key.js';

/** What a replica has of one key. */
export interface Entry {
  /** As it was asked for last: what its failures are shared under may change. */
  key: TokenKey;
  held: HeldToken | undefined;
  failure: { readonly error: IssuerError; readonly untilMs: number } | undefined;
  /** Before that, a renewal ahead is of no use: the last one failed. */
  restUntilMs: number;
  /** The refresh under way, which everybody who needs one joins. */
  flight: Promise<HeldToken> | undefined;
  /** Whether anybody asked since the token came: only then is it renewed ahead. */
  asked: boolean;
  cancelTimer: () => void;
}
