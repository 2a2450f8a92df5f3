import type { TokenErrorCode } from './errors.js';
import type { TokenKey } from './key.js';
import type { InvalidateOutcome, Origin } from './ports.js';

/** Why a refresh happened: somebody waited for it, or it ran ahead of expiry. */
export type RefreshCause = 'demand' | 'ahead';

/** What the core reports to whoever wired it. Carries no token. Durations in ms. */
export type TokenEvent =
  | {
      readonly kind: 'refreshed';
      readonly key: TokenKey;
      readonly cause: RefreshCause;
      readonly origin: Origin | undefined;
      readonly tokenId: string;
      readonly generation: number;
      readonly lifeMs: number;
      readonly tookMs: number;
      /** Without a shared lease, because the store was away. */
      readonly alone: boolean;
    }
  | {
      readonly kind: 'failed';
      readonly key: TokenKey;
      readonly cause: RefreshCause;
      readonly origin: Origin | undefined;
      readonly code: TokenErrorCode;
      readonly message: string;
      readonly coolingMs: number;
      readonly tookMs: number;
      readonly alone: boolean;
    }
  /** A refresh has asked the store: it leads, took over a token that was stored (`hit`), or learned of a failure that
   *  still cools. Waited for whoever else had the lease, or not. */
  | {
      readonly kind: 'lease';
      readonly key: TokenKey;
      readonly cause: RefreshCause;
      readonly origin: Origin | undefined;
      readonly outcome: 'lead' | 'hit' | 'failed';
      readonly tookMs: number;
      readonly waited: boolean;
    }
  /** A token was got although another leader's newer one had been stored meanwhile. */
  | { readonly kind: 'duplicate'; readonly key: TokenKey; readonly tokenId: string }
  | {
      readonly kind: 'invalidation';
      readonly key: TokenKey;
      readonly tokenId: string;
      readonly outcome: InvalidateOutcome;
    }
  /** Another replica took the lease of a refresh under way here: both will call. */
  | { readonly kind: 'lease_lost'; readonly key: TokenKey }
  /** A lease came so late that it was not used. */
  | { readonly kind: 'lease_unused'; readonly key: TokenKey }
  /** A refresh ended in something that nobody foresaw. */
  | { readonly kind: 'fault'; readonly key?: TokenKey; readonly error: unknown };
