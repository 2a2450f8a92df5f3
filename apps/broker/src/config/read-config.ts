import { hash, X509Certificate } from 'node:crypto';

import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validateSync } from 'class-validator';

import { defaultPolicy, type TokenPolicy } from '#token';
import { KeyRing, newCallerKey, Secret, VaultError } from '#vault';

import {
  BrokerConfig,
  ConfigError,
  FIRST_BACKOFF_MS,
  type LimitsConfig,
  type UpstreamConfig,
} from './broker-config.js';
import { Environment } from './environment.js';
import { isPlainHttpAbroad } from './plain-http.js';
import { readJwtIssuers } from './read-jwt-issuers.js';
import { readRedis, readVaultRedis } from './read-redis.js';
import { readTls } from './read-tls.js';
import { codeOf, keptSecret, readNamed, withSecretFiles } from './secrets.js';

/** Where development keeps the keys that nobody gave it. */
const DEVELOPMENT_KEYS = { vaultKeys: 'data/master.key', adminKey: 'data/admin.key' };

export const SETTING_NAMES: readonly string[] = [
  ...new Set(
    getMetadataStorage()
      .getTargetValidationMetadatas(Environment, '', true, false)
      .map(({ propertyName }) => propertyName),
  ),
];

/** Reads and checks every setting. In development, makes and keeps the keys that are not given.
 *  @throws ConfigError with all that is wrong */
export function readConfig(env: NodeJS.ProcessEnv): BrokerConfig {
  const problems: string[] = [];
  const given = readEnvironment(withSecretFiles(env, problems), problems);
  const production = given.NODE_ENV === 'production';
  const policy = readPolicy(given);
  problems.push(...crossChecks(given, policy));
  const redisCa = readCa('REDIS_CA_FILE', given, problems);
  const config = {
    production,
    host: given.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    port: given.PORT,
    logLevel: given.LOG_LEVEL,
    logFormat: given.LOG_FORMAT ?? (given.NODE_ENV === 'development' ? 'pretty' : 'json'),
    redis: readRedis(given, redisCa, problems),
    vaultStore: given.VAULT_STORE,
    vaultPath: given.VAULT_PATH,
    vaultRedis: readVaultRedis(given, redisCa, problems),
    vaultKeys: readKeyRing(given, problems),
    adminKey: readAdminKey(given, problems),
    jwtIssuers: readJwtIssuers(given, problems),
    tls: readTls(given, problems),
    limits: readLimits(given),
    auditLog: given.AUDIT_LOG ?? (production ? 'stdout' : 'data/audit.jsonl'),
    metrics: { clients: given.METRICS_CLIENTS, open: given.METRICS_OPEN === 'true' },
    upstream: readUpstream(given, problems),
    policy,
    shutdownDelayMs: given.SHUTDOWN_DELAY_MS ?? (production ? 5_000 : 0),
    shutdownTimeoutMs: given.SHUTDOWN_TIMEOUT_MS,
  };
  const { vaultKeys, upstream, jwtIssuers } = config;
  if (problems.length > 0 || !vaultKeys) throw new ConfigError(problems);
  // Of these files, what they hold counts; those of TLS are followed apart.
  const held = { REDIS_CA_FILE: redisCa, UPSTREAM_CA_FILE: upstream.ca, CALLER_JWT_ISSUERS_FILE: jwtIssuers };
  return Object.freeze({ ...config, vaultKeys, fingerprints: fingerprintsOf(given, held) });
}

/** @param files what counts instead of their paths */
function fingerprintsOf(given: Environment, files: Readonly<Record<string, unknown>>): Map<string, string> {
  const value = (name: string): unknown => (name in files ? files[name] : Reflect.get(given, name));
  return new Map(SETTING_NAMES.map((name) => [name, hash('sha256', JSON.stringify([value(name)]), 'base64')]));
}

/** An empty variable counts as none: that is how compose files and charts leave one out. */
function readEnvironment(env: NodeJS.ProcessEnv, problems: string[]): Environment {
  const named = SETTING_NAMES.filter((name) => env[name] !== undefined && env[name] !== '');
  const given = plainToInstance(Environment, Object.fromEntries(named.map((name) => [name, env[name]])));
  for (const { property, constraints } of validateSync(given)) {
    problems.push(`${property} ${Object.values(constraints ?? {}).join(', ')}`);
  }
  return given;
}

function readPolicy(given: Environment): TokenPolicy {
  return {
    ...defaultPolicy,
    refreshAt: given.REFRESH_AT,
    refreshJitterMs: given.REFRESH_JITTER_SECONDS * 1_000,
    safetyMarginMs: given.SAFETY_MARGIN_SECONDS * 1_000,
    leaseMs: given.LEASE_MS,
    leaseRenewMs: given.LEASE_RENEW_MS,
    refreshLeaseMs: given.REFRESH_LEASE_MS,
    refreshLeaseRenewMs: given.REFRESH_LEASE_RENEW_MS,
    waitBudgetMs: given.WAIT_BUDGET_MS,
    storeGraceMs: given.REDIS_GRACE_MS,
  };
}

/** The settings that only make sense together. */
function crossChecks(given: Environment, policy: TokenPolicy): string[] {
  const problems: string[] = [];
  const backoffsMs = FIRST_BACKOFF_MS * (2 ** given.UPSTREAM_RETRIES - 1);
  const seriesMs = (given.UPSTREAM_RETRIES + 1) * given.UPSTREAM_TIMEOUT_MS + backoffsMs;
  if (seriesMs >= policy.longestHoldMs) {
    problems.push(
      `UPSTREAM_TIMEOUT_MS and UPSTREAM_RETRIES together must take less than ${policy.longestHoldMs} ms, pauses included`,
    );
  }
  if (given.REDIS_GRACE_MS >= given.WAIT_BUDGET_MS) {
    problems.push('REDIS_GRACE_MS must be less than WAIT_BUDGET_MS, or nobody is still waiting when it is over');
  }
  if (given.VAULT_STORE === 'redis' && !hasRedis(given) && given.VAULT_REDIS_URL === undefined) {
    problems.push('VAULT_STORE redis needs VAULT_REDIS_URL, or a Redis for the tokens');
  }
  if (given.HTTP_HEADERS_TIMEOUT_MS > given.HTTP_REQUEST_TIMEOUT_MS) {
    problems.push('HTTP_HEADERS_TIMEOUT_MS must be at most HTTP_REQUEST_TIMEOUT_MS');
  }
  if (given.LEASE_RENEW_MS * 2 > given.LEASE_MS) {
    problems.push('LEASE_RENEW_MS must be at most half of LEASE_MS, or one lost renewal loses the lease');
  }
  if (given.REFRESH_LEASE_RENEW_MS * 2 > given.REFRESH_LEASE_MS) {
    problems.push(
      'REFRESH_LEASE_RENEW_MS must be at most half of REFRESH_LEASE_MS, or one lost renewal loses the lease',
    );
  }
  return problems;
}

function hasRedis(given: Environment): boolean {
  return [given.REDIS_URL, given.REDIS_SENTINELS, given.REDIS_CLUSTER_NODES].some((each) => each !== undefined);
}

function readKeyRing(given: Environment, problems: string[]): KeyRing | undefined {
  if (given.VAULT_KEYS === undefined && given.NODE_ENV === 'production') {
    problems.push('VAULT_KEYS must be set in production: id:base64 of 32 bytes, comma-separated');
    return undefined;
  }
  const generate = () => KeyRing.generate('development');
  const text = given.VAULT_KEYS ?? kept(DEVELOPMENT_KEYS.vaultKeys, generate, problems);
  try {
    return KeyRing.parse(text);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    problems.push(`${given.VAULT_KEYS === undefined ? DEVELOPMENT_KEYS.vaultKeys : 'VAULT_KEYS'}: ${error.message}`);
    return undefined;
  }
}

/** Production has a built-in admin only if it is given a key for it; it can be switched off everywhere. */
function readAdminKey(given: Environment, problems: string[]): Secret | undefined {
  if (given.ADMIN_KEY_ENABLED === 'false') return undefined;
  if (given.ADMIN_KEY !== undefined) return new Secret(given.ADMIN_KEY);
  if (given.NODE_ENV === 'production') return undefined;
  return new Secret(kept(DEVELOPMENT_KEYS.adminKey, () => newCallerKey().key.reveal(), problems));
}

function readLimits(given: Environment): LimitsConfig {
  return {
    perKey: given.RATE_LIMIT_PER_KEY,
    perCaller: given.RATE_LIMIT_PER_CALLER,
    bodyBytes: given.HTTP_BODY_LIMIT_BYTES,
    headerBytes: given.HTTP_HEADER_LIMIT_BYTES,
    connections: given.HTTP_CONNECTIONS,
    headersTimeoutMs: given.HTTP_HEADERS_TIMEOUT_MS,
    requestTimeoutMs: given.HTTP_REQUEST_TIMEOUT_MS,
    keepAliveMs: given.HTTP_KEEP_ALIVE_MS,
  };
}

/** Makes no file while anything else is wrong: nothing half started. */
function kept(path: string, make: () => string, problems: string[]): string {
  if (problems.length > 0) return make();
  try {
    return keptSecret(path, make);
  } catch (error) {
    problems.push(`${path} cannot be read or made (${codeOf(error)}); set VAULT_KEYS and ADMIN_KEY instead`);
    return make();
  }
}

function readUpstream(given: Environment, problems: string[]): UpstreamConfig {
  const baseUrls = { sandbox: given.UPSTREAM_SANDBOX_URL, production: given.UPSTREAM_PRODUCTION_URL };
  if (given.NODE_ENV === 'production') {
    for (const name of ['UPSTREAM_SANDBOX_URL', 'UPSTREAM_PRODUCTION_URL'] as const) {
      if (isPlainHttpAbroad(given[name])) problems.push(`${name} must be https in production, except on loopback`);
    }
  }
  return {
    baseUrls,
    ca: readCa('UPSTREAM_CA_FILE', given, problems),
    timeoutMs: given.UPSTREAM_TIMEOUT_MS,
    retries: given.UPSTREAM_RETRIES,
  };
}

function readCa(
  name: 'UPSTREAM_CA_FILE' | 'REDIS_CA_FILE',
  given: Environment,
  problems: string[],
): string | undefined {
  const path = given[name];
  const ca = path === undefined ? undefined : readNamed(name, path, problems);
  if (ca === undefined) return undefined;
  try {
    void new X509Certificate(ca);
  } catch {
    problems.push(`${name} must hold a certificate in PEM`);
  }
  return ca;
}
