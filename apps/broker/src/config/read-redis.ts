import { rootCertificates } from 'node:tls';

import type { RedisAddress, RedisConnectionSettings } from '#redis';

import type { RedisConfig } from './broker-config.js';
import type { Environment } from './environment.js';

const DEFAULT_PORT = 6_379;

/** Where the shared tokens are; undefined if there is no Redis, and so one replica.
 *  @param ca PEM of `REDIS_CA_FILE`
 *  @param problems what is wrong is added to it */
export function readRedis(given: Environment, ca: string | undefined, problems: string[]): RedisConfig | undefined {
  const named = (['REDIS_URL', 'REDIS_SENTINELS', 'REDIS_CLUSTER_NODES'] as const).filter(
    (n) => given[n] !== undefined,
  );
  if (named.length > 1) problems.push(`${named.join(' and ')} must not be set together: one says where Redis is`);
  if ((given.REDIS_SENTINELS === undefined) !== (given.REDIS_SENTINEL_MASTER === undefined)) {
    problems.push('REDIS_SENTINELS and REDIS_SENTINEL_MASTER must be set together');
  }
  if (problems.some((problem) => problem.startsWith('REDIS_'))) return undefined;
  const connection = readConnection(given, ca);
  return connection && { connection, keyPrefix: given.REDIS_KEY_PREFIX };
}

/** A Redis of its own for the vault, or undefined if it is that of the tokens. */
export function readVaultRedis(
  given: Environment,
  ca: string | undefined,
  problems: readonly string[],
): RedisConfig | undefined {
  const url = given.VAULT_REDIS_URL;
  const isBroken = problems.some((problem) => problem.startsWith('VAULT_REDIS_URL'));
  return url === undefined || isBroken
    ? undefined
    : { connection: fromUrl(url, given, ca), keyPrefix: given.REDIS_KEY_PREFIX };
}

function readConnection(given: Environment, ca: string | undefined): RedisConnectionSettings | undefined {
  const { REDIS_URL, REDIS_SENTINELS, REDIS_SENTINEL_MASTER: master, REDIS_CLUSTER_NODES } = given;
  if (REDIS_URL !== undefined) return fromUrl(REDIS_URL, given, ca);
  if (REDIS_SENTINELS !== undefined && master !== undefined) {
    return { at: { kind: 'sentinel', sentinels: addresses(REDIS_SENTINELS), master }, ...signIn(given, ca) };
  }
  if (REDIS_CLUSTER_NODES !== undefined) {
    return { at: { kind: 'cluster', nodes: addresses(REDIS_CLUSTER_NODES) }, ...signIn(given, ca) };
  }
  return undefined;
}

function fromUrl(text: string, given: Environment, ca: string | undefined): RedisConnectionSettings {
  const url = new URL(text);
  const at = {
    kind: 'single' as const,
    host: url.hostname.replaceAll(/^\[|\]$/g, ''),
    port: Number(url.port || DEFAULT_PORT),
    db: Number(url.pathname.slice(1) || 0),
  };
  const settings = signIn(given, ca);
  return {
    at,
    username: decodeURIComponent(url.username) || settings.username,
    password: decodeURIComponent(url.password) || settings.password,
    tls: url.protocol === 'rediss:' ? { ca: trusted(ca) } : settings.tls,
  };
}

function signIn(given: Environment, ca: string | undefined): Omit<RedisConnectionSettings, 'at'> {
  return {
    username: given.REDIS_USERNAME,
    password: given.REDIS_PASSWORD,
    tls: given.REDIS_TLS === 'true' ? { ca: trusted(ca) } : undefined,
  };
}

function trusted(ca: string | undefined): string[] | undefined {
  return ca === undefined ? undefined : [...rootCertificates, ca];
}

/** `host:port,host:port`, which the environment's rule has checked. An IPv6 address stands in brackets. */
function addresses(list: string): RedisAddress[] {
  return list.split(',').map((each) => {
    const { hostname, port } = new URL(`redis://${each.trim()}`);
    return { host: hostname.replaceAll(/^\[|\]$/g, ''), port: Number(port || DEFAULT_PORT) };
  });
}
