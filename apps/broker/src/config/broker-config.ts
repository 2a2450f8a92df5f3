import type { RedisConnectionSettings } from '#redis';
import type { TokenPolicy } from '#token';
import type { Environment as UpstreamEnvironment, KeyRing, Secret } from '#vault';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['json', 'pretty'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export const VAULT_STORES = ['file', 'directory', 'redis'] as const;
export type VaultStoreKind = (typeof VAULT_STORES)[number];

/** Everything that can be set, read and checked. An abstract class so that it can be injected by its type: then it is what
 *  was set at the start, of which some may be replaced later. */
export abstract class BrokerConfig {
  abstract readonly production: boolean;
  abstract readonly host: string;
  /** TCP port; 0 takes any free one. */
  abstract readonly port: number;
  abstract readonly logLevel: LogLevel;
  abstract readonly logFormat: LogFormat;
  /** Absent: one replica, with its tokens in memory. */
  abstract readonly redis: RedisConfig | undefined;
  abstract readonly vaultStore: VaultStoreKind;
  abstract readonly vaultPath: string;
  /** Absent: the vault's Redis is that of the tokens. */
  abstract readonly vaultRedis: RedisConfig | undefined;
  abstract readonly vaultKeys: KeyRing;
  /** The key of the built-in admin; absent if there is none. */
  abstract readonly adminKey: Secret | undefined;
  /** Whose JWTs are taken for callers. */
  abstract readonly jwtIssuers: readonly JwtIssuerConfig[];
  /** Absent: plain HTTP. */
  abstract readonly tls: TlsConfig | undefined;
  abstract readonly limits: LimitsConfig;
  /** Where the audit trail goes: a file's path, or `stdout`. */
  abstract readonly auditLog: string;
  abstract readonly metrics: MetricsConfig;
  abstract readonly upstream: UpstreamConfig;
  abstract readonly policy: TokenPolicy;
  /** How long the broker serves on after it said that it is not ready, in ms. */
  abstract readonly shutdownDelayMs: number;
  /** How long requests under way may take after that, in ms. */
  abstract readonly shutdownTimeoutMs: number;
  /** Of what each setting comes to, by name. Tells whether it has changed, and nothing else. */
  abstract readonly fingerprints: ReadonlyMap<string, string>;
}

/** An issuer of JWTs, and how its subjects become callers. */
export interface JwtIssuerConfig {
  /** The claim `iss`, exactly. */
  readonly issuer: string;
  /** One that the claim `aud` must name. */
  readonly audiences: readonly string[];
  readonly jwksUrl: string;
  /** A PEM file to trust besides the known authorities, read at each fetch: Kubernetes replaces it. */
  readonly jwksCaFile: string | undefined;
  /** A file with a bearer token to show when the keys are fetched, as Kubernetes' API server wants one. */
  readonly jwksTokenFile: string | undefined;
  /** How it may sign: asymmetric, as RFC 7518 §3.1 calls them. */
  readonly algorithms: readonly string[];
  readonly callers: readonly JwtCallerRule[];
}

/** The first rule whose subject and claims all match names the caller, a record of the vault. */
export interface JwtCallerRule {
  readonly caller: string;
  /** The claim `sub`, or the beginning of it with `*` behind it. */
  readonly subject: string;
  /** By JSON pointer (RFC 6901): what stands there must be this, or a list with it. */
  readonly claims: Readonly<Record<string, string>>;
}

/** Paths, and what the files held at first: they are read again when they change. */
export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities whose client certificates are asked for and believed. */
  readonly clientCaFile: string | undefined;
  readonly files: TlsFiles;
}

/** All in PEM. Undefined is what could not be read, or is not set. */
export interface TlsFiles {
  /** The server's own certificate, and then those that lead from it to its authority. */
  readonly cert: string | undefined;
  readonly key: Secret | undefined;
  readonly clientCa: string | undefined;
}

export interface LimitsConfig {
  /** Requests per minute of one caller for one token that are not answered from memory. Default 250. */
  readonly perKey: number;
  /** Requests per minute of one caller, all together, on this replica. Default 6,000,000. */
  readonly perCaller: number;
  readonly bodyBytes: number;
  readonly headerBytes: number;
  readonly connections: number;
  /** Until the header of a request, and all of it, must have come, in ms. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Until a connection without a request is closed, in ms. */
  readonly keepAliveMs: number;
}

export interface MetricsConfig {
  /** How many clients are told apart by name; the rest is `other`. Default 20, at most 1000. */
  readonly clients: number;
  /** Whether everybody may read them. Default false: callers with the role `ops`. */
  readonly open: boolean;
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
