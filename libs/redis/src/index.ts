export { Bus, type BusMessage } from './bus.js';
export type { RedisAddress, RedisConnectionSettings } from './connection.js';
export { RedisClusterBoard } from './redis-cluster-board.js';
export { RedisKeys } from './keys.js';
export { RedisLink, type RedisLinkEvent } from './redis-link.js';
export { RedisTokenStore } from './redis-token-store.js';
export { RedisVaultStore, type RedisVaultWarning } from './redis-vault-store.js';
