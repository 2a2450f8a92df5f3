export { AccessToken, tokenIdOf } from './access-token.js';
export type { Clock } from './clock.js';
export {
  DrainingError,
  type FailureScope,
  IssuerError,
  type IssuerErrorCode,
  RefreshBusyError,
  TokenError,
  type TokenErrorCode,
  ValidityUnavailableError,
} from './errors.js';
export type { RefreshCause, TokenEvent } from './events.js';
export { isMerchantVat, tokenKey, type TokenKey, type TokenSubject } from './key.js';
export { MemoryTokenStore } from './memory-token-store.js';
export { defaultPolicy, type TokenPolicy } from './policy.js';
export type { IssuedToken, TokenIssuer, TokenStore } from './ports.js';
export { type HeldToken, TokenBroker } from './token-broker.js';
