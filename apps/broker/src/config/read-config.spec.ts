import 'reflect-metadata';

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { KeyRing } from '#vault';

import { aFolder } from '../../../../test/support/folder.js';
import { ConfigError } from './broker-config.js';
import { Environment } from './environment.js';
import { readConfig, SETTING_NAMES } from './read-config.js';
import { SECRET_SETTINGS } from './secrets.js';

const keys = { VAULT_KEYS: KeyRing.generate('first'), ADMIN_KEY: 'an-admin-key-for-the-tests' };

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig({ ...keys, ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('settings', () => {
  it('have defaults that work', () => {
    expect(readConfig(keys)).toMatchObject({
      production: false,
      host: '127.0.0.1',
      port: 3_000,
      logLevel: 'info',
      logFormat: 'pretty',
      vaultPath: 'data/vault.json',
      upstream: {
        baseUrls: {
          sandbox: 'https://api.sandbox.mobilepay.dk/integrator-authentication',
          production: 'https://api.mobilepay.dk/integrator-authentication',
        },
        timeoutMs: 2_000,
        retries: 2,
      },
      policy: { refreshAt: 0.75, refreshJitterMs: 120_000, safetyMarginMs: 60_000, waitBudgetMs: 10_000 },
      shutdownDelayMs: 0,
      shutdownTimeoutMs: 15_000,
      metrics: { clients: 20, open: false },
    });
  });

  it('differ in production, where load balancers have to notice and others have to reach it', () => {
    const config = readConfig({ ...keys, NODE_ENV: 'production' });
    expect(config).toMatchObject({ production: true, host: '0.0.0.0', logFormat: 'json', shutdownDelayMs: 5_000 });
  });

  it('that are empty count as none', () => {
    const empty = Object.fromEntries(SETTING_NAMES.map((name) => [name, '']));
    expect(readConfig({ ...empty, ...keys })).toEqual({
      ...readConfig(keys),
      vaultKeys: expect.anything(),
      adminKey: expect.anything(),
    });
  });

  it('lose the slash at the end of a URL', () => {
    const { upstream } = readConfig({ ...keys, UPSTREAM_SANDBOX_URL: 'https://a.example/x//' });
    expect(upstream.baseUrls.sandbox).toBe('https://a.example/x');
  });

  it('print no secret', () => {
    const config = readConfig(keys);
    const printed = inspect(config, { depth: 9, showHidden: true }) + JSON.stringify(config);
    expect(printed).not.toContain(keys.ADMIN_KEY);
    expect(printed).not.toContain(keys.VAULT_KEYS.slice(6));
  });

  it('are all complained about at once, by name, and never by value', () => {
    const wrong = Object.fromEntries(SETTING_NAMES.map((name) => [name, `canary\u0007 ${name}`]));
    const problems = problemsOf(wrong);
    for (const name of SETTING_NAMES) {
      expect(problems).toContainEqual(expect.stringMatching(new RegExp(`^${name}:? .*must `)));
    }
    expect(problems.join()).not.toContain('canary');
  });

  it.each([
    ['PORT', ['-1', '65536', '3e3', '0x10', ' 80', '3000.5'], /^PORT must be a whole number from 0 to 65535$/],
    ['NODE_ENV', ['prod', 'Production'], /^NODE_ENV must be development or production or test$/],
    ['LOG_LEVEL', ['verbose'], /^LOG_LEVEL must be fatal or error/],
    ['LOG_FORMAT', ['JSON', 'text'], /^LOG_FORMAT must be json or pretty$/],
    ['VAULT_STORE', ['Redis', 'folder'], /^VAULT_STORE must be file or directory or redis$/],
    ['ADMIN_KEY', ['too-short', 'a'.repeat(513), `${'a'.repeat(30)} b`], /^ADMIN_KEY must be 24 to 512 visible/],
    ['UPSTREAM_TIMEOUT_MS', ['99', '2e3'], /^UPSTREAM_TIMEOUT_MS must be a whole number from 100 to 20000$/],
    ['UPSTREAM_RETRIES', ['6', '-1'], /^UPSTREAM_RETRIES must be a whole number from 0 to 5$/],
    ['METRICS_CLIENTS', ['-1', '1001', 'all'], /^METRICS_CLIENTS must be a whole number from 0 to 1000$/],
    ['METRICS_OPEN', ['yes', '1'], /^METRICS_OPEN must be true or false$/],
    ['REFRESH_AT', ['0', '1', 'half', '.96'], /^REFRESH_AT must be a number from 0.1 to 0.95$/],
    [
      'REDIS_URL',
      ['127.0.0.1:6379', 'http://127.0.0.1', 'redis://', 'redis://a.example/x', 'redis://a.example/0?tls=1'],
      /^REDIS_URL must be redis:\/\/ or rediss:\/\//,
    ],
    ['REDIS_CLUSTER_NODES', ['a b', 'a:1,', 'redis://a', 'a:999999'], /^REDIS_CLUSTER_NODES must be host:port/],
    [
      'UPSTREAM_SANDBOX_URL',
      [
        'api.mobilepay.dk',
        'ftp://a.example',
        'https://user:pass@a.example',
        'https://a.example/?q',
        'https://a.example/#f',
      ],
      /^UPSTREAM_SANDBOX_URL must be an absolute http or https URL/,
    ],
  ])('%s is refused unless it is what it must be', (name, values, problem) => {
    for (const value of values) expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(problem)]);
  });

  it.each([
    [{ LEASE_MS: '4000', LEASE_RENEW_MS: '2001' }, 'LEASE_RENEW_MS must be at most half of LEASE_MS'],
    [{ REFRESH_LEASE_RENEW_MS: '10001' }, 'REFRESH_LEASE_RENEW_MS must be at most half of REFRESH_LEASE_MS'],
    [{ UPSTREAM_TIMEOUT_MS: '10000' }, 'UPSTREAM_TIMEOUT_MS and UPSTREAM_RETRIES together must take less than 30000'],
  ])('that contradict each other are refused: %j', (env, problem) => {
    expect(problemsOf(env)).toEqual([expect.stringContaining(problem)]);
  });

  it.each([
    [{ REDIS_URL: 'redis://a', REDIS_SENTINELS: 'b', REDIS_SENTINEL_MASTER: 'c' }, 'must not be set together'],
    [{ REDIS_SENTINELS: 'b:26379' }, 'REDIS_SENTINELS and REDIS_SENTINEL_MASTER must be set together'],
    [{ VAULT_STORE: 'redis' }, 'VAULT_STORE redis needs VAULT_REDIS_URL, or a Redis for the tokens'],
    [{ REDIS_GRACE_MS: '10000' }, 'REDIS_GRACE_MS must be less than WAIT_BUDGET_MS'],
  ])('that contradict each other are refused: %j', (env, problem) => {
    expect(problemsOf(env)).toEqual([expect.stringContaining(problem)]);
  });

  it('say where Redis is, in one of three ways', () => {
    const redisOf = (env: NodeJS.ProcessEnv) => readConfig({ ...keys, ...env }).redis;
    expect(redisOf({})).toBeUndefined();
    expect(redisOf({ REDIS_URL: 'rediss://user:p%40ss@[::1]:6380/3' })).toEqual({
      connection: {
        at: { kind: 'single', host: '::1', port: 6_380, db: 3 },
        username: 'user',
        password: 'p@ss',
        tls: { ca: undefined },
      },
      keyPrefix: 'tb:',
    });
    const signIn = { REDIS_USERNAME: 'broker', REDIS_PASSWORD: 'pass', REDIS_TLS: 'true', REDIS_KEY_PREFIX: 'x:' };
    expect(redisOf({ ...signIn, REDIS_SENTINELS: 'a:1, [::1]:2,c', REDIS_SENTINEL_MASTER: 'mymaster' })).toEqual({
      connection: {
        at: {
          kind: 'sentinel',
          sentinels: [
            { host: 'a', port: 1 },
            { host: '::1', port: 2 },
            { host: 'c', port: 6_379 },
          ],
          master: 'mymaster',
        },
        username: 'broker',
        password: 'pass',
        tls: { ca: undefined },
      },
      keyPrefix: 'x:',
    });
    expect(redisOf({ REDIS_CLUSTER_NODES: 'a:1' })?.connection).toMatchObject({
      at: { kind: 'cluster', nodes: [{ host: 'a', port: 1 }] },
      tls: undefined,
    });
  });

  it('of production refuse the conveniences of development', () => {
    const env = { NODE_ENV: 'production', VAULT_KEYS: '', UPSTREAM_PRODUCTION_URL: 'http://upstream.example' };
    expect(problemsOf(env)).toEqual([
      'VAULT_KEYS must be set in production: id:base64 of 32 bytes, comma-separated',
      'UPSTREAM_PRODUCTION_URL must be https in production, except on loopback',
    ]);
    expect(problemsOf({ ...env, ...keys, UPSTREAM_PRODUCTION_URL: 'http://[::1]:3001/x' })).toEqual([]);
    expect(readConfig({ ...keys, NODE_ENV: 'production', ADMIN_KEY: '' }).adminKey).toBeUndefined();
  });

  it.each([
    ['no-colon', 'master key 1 must be id:base64'],
    [`a:${'A'.repeat(20)}`, 'master key 1 (a) must be base64 of 32 bytes'],
    [`${KeyRing.generate('a')},${KeyRing.generate('a')}`, 'master key 2 repeats the id a'],
  ])('name the master key that is wrong, and do not show it', (VAULT_KEYS, problem) => {
    const [said, ...others] = problemsOf({ VAULT_KEYS });
    expect(others).toEqual([]);
    expect(said).toContain(`VAULT_KEYS: ${problem}`);
    expect(said).not.toContain(VAULT_KEYS.slice(3));
  });
});

describe('a secret in a file', () => {
  it('is read, without the line break at its end', () => {
    const path = join(aFolder(), 'admin');
    writeFileSync(path, 'an-admin-key-from-a-file\r\n');
    const { adminKey } = readConfig({ VAULT_KEYS: keys.VAULT_KEYS, ADMIN_KEY_FILE: path });
    expect(adminKey?.reveal()).toBe('an-admin-key-from-a-file');
  });

  it('must be there, and the only one', () => {
    expect(problemsOf({ ADMIN_KEY: '', ADMIN_KEY_FILE: '/no/such/file' })[0]).toBe(
      'ADMIN_KEY_FILE must name a file that can be read (ENOENT)',
    );
    expect(problemsOf({ ADMIN_KEY_FILE: '/no/such/file' })).toEqual([
      'ADMIN_KEY and ADMIN_KEY_FILE must not be set both',
    ]);
  });

  it('may hold a certificate authority, which must be one', () => {
    const path = join(aFolder(), 'ca.pem');
    writeFileSync(path, 'not a certificate');
    expect(problemsOf({ UPSTREAM_CA_FILE: path })).toEqual(['UPSTREAM_CA_FILE must hold a certificate in PEM']);
  });
});

it('.env.example names every setting and its default', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../../.env.example'), 'utf8');
  const listed = Object.fromEntries([...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
  const defaults = new Environment() as unknown as Record<string, string | number>;
  const known = SETTING_NAMES.map((name) => [name, String(defaults[name] ?? '')]);
  expect(listed).toEqual(Object.fromEntries([...known, ...SECRET_SETTINGS.map((name) => [`${name}_FILE`, ''])]));
});
