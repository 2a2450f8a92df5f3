import { Transform } from 'class-transformer';
import { IsOptional, ValidateBy } from 'class-validator';

import {
  LOG_FORMATS,
  LOG_LEVELS,
  type LogFormat,
  type LogLevel,
  VAULT_STORES,
  type VaultStoreKind,
} from './broker-config.js';

/**
 * The environment variables, as they are given. A name that stands here and nowhere else is still complete: the
 * validator reads the list from this class, and so does the test of `.env.example`.
 */
export class Environment {
  @OneOf(['development', 'production', 'test'])
  NODE_ENV: 'development' | 'production' | 'test' = 'development';
  @Text()
  SETTINGS_FILE = '.env';

  @Text()
  HOST?: string;
  @Whole(0, 65_535)
  PORT = 3_000;
  @OneOf(LOG_LEVELS)
  LOG_LEVEL: LogLevel = 'info';
  @OneOf(LOG_FORMATS)
  LOG_FORMAT?: LogFormat;

  @OneOf(VAULT_STORES)
  VAULT_STORE: VaultStoreKind = 'file';
  @Text()
  VAULT_PATH = 'data/vault.json';
  @Text()
  VAULT_KEYS?: string;
  @RedisUrl()
  VAULT_REDIS_URL?: string;

  @Matching(/^[\x21-\x7e]{24,512}$/, 'be 24 to 512 visible ASCII characters')
  ADMIN_KEY?: string;
  @OneOf(['true', 'false'])
  ADMIN_KEY_ENABLED = 'true';
  @Text()
  CALLER_JWT_ISSUERS_FILE?: string;
  @Text()
  AUDIT_LOG?: string;

  @Whole(0, 1_000)
  METRICS_CLIENTS = 20;
  @OneOf(['true', 'false'])
  METRICS_OPEN = 'false';

  @Text()
  TLS_CERT_FILE?: string;
  @Text()
  TLS_KEY_FILE?: string;
  @Text()
  TLS_CLIENT_CA_FILE?: string;

  @Whole(1, 1_000_000)
  RATE_LIMIT_PER_KEY = 250;
  @Whole(1, 1_000_000_000)
  RATE_LIMIT_PER_CALLER = 6_000_000;
  @Whole(1_024, 1_048_576)
  HTTP_BODY_LIMIT_BYTES = 65_536;
  @Whole(2_048, 131_072)
  HTTP_HEADER_LIMIT_BYTES = 16_384;
  @Whole(10, 1_000_000)
  HTTP_CONNECTIONS = 10_000;
  @Whole(500, 300_000)
  HTTP_HEADERS_TIMEOUT_MS = 10_000;
  @Whole(1_000, 600_000)
  HTTP_REQUEST_TIMEOUT_MS = 30_000;
  @Whole(1_000, 3_600_000)
  HTTP_KEEP_ALIVE_MS = 72_000;

  @BaseUrl()
  UPSTREAM_SANDBOX_URL = 'https://api.sandbox.mobilepay.dk/integrator-authentication';
  @BaseUrl()
  UPSTREAM_PRODUCTION_URL = 'https://api.mobilepay.dk/integrator-authentication';
  @Text()
  UPSTREAM_CA_FILE?: string;
  @Whole(100, 20_000)
  UPSTREAM_TIMEOUT_MS = 2_000;
  @Whole(0, 5)
  UPSTREAM_RETRIES = 2;

  @Fraction(0.1, 0.95)
  REFRESH_AT = 0.75;
  @Whole(0, 3_600)
  REFRESH_JITTER_SECONDS = 120;
  @Whole(1, 600)
  SAFETY_MARGIN_SECONDS = 60;
  @Whole(2_000, 60_000)
  LEASE_MS = 8_000;
  @Whole(100, 30_000)
  LEASE_RENEW_MS = 2_500;
  @Whole(2_000, 120_000)
  REFRESH_LEASE_MS = 20_000;
  @Whole(100, 60_000)
  REFRESH_LEASE_RENEW_MS = 5_000;
  @Whole(100, 60_000)
  WAIT_BUDGET_MS = 10_000;

  @Whole(500, 30_000)
  REDIS_GRACE_MS = 3_500;

  @RedisUrl()
  REDIS_URL?: string;

  @Addresses()
  REDIS_SENTINELS?: string;

  @Text()
  REDIS_SENTINEL_MASTER?: string;

  @Addresses()
  REDIS_CLUSTER_NODES?: string;

  @Text()
  REDIS_USERNAME?: string;

  @Text()
  REDIS_PASSWORD?: string;

  @OneOf(['true', 'false'])
  REDIS_TLS = 'false';

  @Text()
  REDIS_CA_FILE?: string;

  @Matching(/^[A-Za-z0-9:_.-]{0,64}$/, 'be at most 64 letters, digits and :_.-')
  REDIS_KEY_PREFIX = 'tb:';

  @Whole(0, 300_000)
  SHUTDOWN_DELAY_MS?: number;
  @Whole(0, 300_000)
  SHUTDOWN_TIMEOUT_MS = 15_000;
}

function rule(must: string, holds: (value: unknown) => boolean, read = (text: string): unknown => text) {
  return (target: object, property: string): void => {
    IsOptional()(target, property);
    Transform(({ value }) => (typeof value === 'string' ? read(value) : value))(target, property);
    ValidateBy({ name: 'rule', validator: { validate: holds, defaultMessage: () => `must ${must}` } })(
      target,
      property,
    );
  };
}

function Text() {
  return Matching(/^\P{Cc}+$/u, 'be text without control characters');
}

function Matching(pattern: RegExp, must: string) {
  return rule(must, (value) => typeof value === 'string' && pattern.test(value));
}

function OneOf(values: readonly string[]) {
  return rule(`be ${values.join(' or ')}`, (value) => values.includes(String(value)));
}

function Whole(min: number, max: number) {
  return rule(
    `be a whole number from ${min} to ${max}`,
    (value) => Number.isInteger(value) && within(Number(value), min, max),
    (text) => (/^\d+$/.test(text) ? Number(text) : text),
  );
}

function Fraction(min: number, max: number) {
  return rule(
    `be a number from ${min} to ${max}`,
    (value) => typeof value === 'number' && within(value, min, max),
    (text) => (/^(\d+(\.\d+)?|\.\d+)$/.test(text) ? Number(text) : text),
  );
}

function BaseUrl() {
  return rule(
    'be an absolute http or https URL without user, query or fragment',
    (value) => typeof value === 'string' && isBaseUrl(value),
    withoutSlashes,
  );
}

function RedisUrl() {
  return rule(
    'be redis:// or rediss:// with a host, at most a database number behind it, and no query',
    (value) => typeof value === 'string' && isRedisUrl(value),
  );
}

function Addresses() {
  return rule('be host:port, comma-separated', (value) => {
    const parts = typeof value === 'string' ? value.split(',') : [];
    return parts.length > 0 && parts.every((part) => /^\s*([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?\s*$/.test(part));
  });
}

function within(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

function withoutSlashes(url: string): string {
  let end = url.length;
  while (url[end - 1] === '/') end -= 1;
  return url.slice(0, end);
}

function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === '';
}

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, search, hash } = new URL(text);
  return /^rediss?:$/.test(protocol) && hostname !== '' && /^(\/\d{0,4})?$/.test(pathname) && `${search}${hash}` === '';
}
