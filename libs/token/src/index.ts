export { AccessToken, tokenIdOf } from './access-token.js';
export type { Clock } from './clock.js';
export {
  DrainingError,
  type FailureScope,
  ISSUER_ERROR_CODES,
  IssuerError,
  type IssuerErrorCode,
  RefreshBusyError,
  StoreAwayError,
  TokenError,
  type TokenErrorCode,
  ValidityUnavailableError,
} from './errors.js';
export type { RefreshCause, TokenEvent } from './events.js';
export { FailoverTokenStore } from './failover-token-store.js';
export type { HeldToken, TokenSource } from './held-token.js';
export {
  isMerchantVat,
  keyLabel,
  MERCHANT_VAT_PATTERN,
  tokenKey,
  type TokenKey,
  tokenKeysOf,
  type TokenSubject,
} from './key.js';
export { KEY_STATES, type KeyState, type Overview } from './overview.js';
export { MemoryTokenStore } from './memory-token-store.js';
export { BREAKER, defaultPolicy, MOST_CALLS_PER_CLIENT, type TokenPolicy } from './policy.js';
export type {
  AcquireOutcome,
  AcquireRequest,
  CommitOutcome,
  FailureReport,
  InvalidateOutcome,
  IssuedToken,
  KeyReport,
  Lease,
  Origin,
  RenewOutcome,
  ReportPage,
  ReportQuery,
  SeedOutcome,
  SharedFailure,
  StoredToken,
  StoreMessage,
  StoreNews,
  TokenIssuer,
  TokenStore,
  UpstreamReport,
} from './ports.js';
export { TokenBroker } from './token-broker.js';
export { breakerFailure, breakerReport, verdictOf } from './upstream-gate.js';
