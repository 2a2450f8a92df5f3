import type { RedisConnectionSettings } from '#redis';
import type { TokenPolicy } from '#token';
import type { Environment as UpstreamEnvironment, KeyRing, Secret } from '#vault';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const VAULT_STORES = ['file', 'directory', 'redis'] as const;
export type VaultStoreKind = (typeof VAULT_STORES)[number];

/** Everything that can be set, read and checked. An abstract class so that it can be injected by its type. */
export abstract class BrokerConfig {
  abstract readonly production: boolean;
  abstract readonly host: string;
  /** TCP port; 0 takes any free one. */
  abstract readonly port: number;
  abstract readonly logLevel: LogLevel;
  /** Absent: one replica, with its tokens in memory. */
  abstract readonly redis: RedisConfig | undefined;
  abstract readonly vaultStore: VaultStoreKind;
  abstract readonly vaultPath: string;
  /** Absent: the vault's Redis is that of the tokens. */
  abstract readonly vaultRedis: RedisConfig | undefined;
  abstract readonly vaultKeys: KeyRing;
  /** The key of the built-in admin; absent if there is none. */
  abstract readonly adminKey: Secret | undefined;
  abstract readonly upstream: UpstreamConfig;
  abstract readonly policy: TokenPolicy;
  /** How long the broker serves on after it said that it is not ready, in ms. */
  abstract readonly shutdownDelayMs: number;
  /** How long requests under way may take after that, in ms. */
  abstract readonly shutdownTimeoutMs: number;
}

export interface RedisConfig {
  readonly connection: RedisConnectionSettings;
  /** Begins every key and channel. Default `tb:`. */
  readonly keyPrefix: string;
}

export interface UpstreamConfig {
  /** Base URL per environment, without `/connect/token` and without a slash at its end. */
  readonly baseUrls: Readonly<Record<UpstreamEnvironment, string>>;
  /** PEM; absent for the system's own. */
  readonly ca: string | undefined;
  /** Limit of one attempt. Default 2000. */
  readonly timeoutMs: number;
  /** Attempts after the first one. Default 2, at most 5. */
  readonly retries: number;
}

/** The longest pause before the first retry, in ms; it doubles with each. The pause is chosen at random up to it. */
export const FIRST_BACKOFF_MS = 200;

/** What is wrong with the settings, all of it: one line each, by name, never with a value. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}
