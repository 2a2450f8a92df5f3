import 'reflect-metadata';

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';

import { Environment } from '../../apps/broker/src/config/environment.js';
import { JWT_ALGORITHMS } from '../../apps/broker/src/config/jwt-issuers-file.js';
import { SETTING_NAMES } from '../../apps/broker/src/config/read-config.js';
import { RATES, RELOADABLE_VALUES, SERVER_LIMITS } from '../../apps/broker/src/config/reloadable.js';
import { SECRET_SETTINGS } from '../../apps/broker/src/config/secrets.js';
import { chartFolder, objectionsTo, rendered, type Values } from '../support/chart/chart.js';
import { podIn } from '../support/chart/laid-out.js';
import { everything, kubernetesIssuer } from '../support/chart/values.js';

interface Schema {
  readonly properties: Readonly<Record<string, Schema>>;
  readonly definitions: Readonly<Record<string, Schema>>;
  readonly items: Schema;
  readonly enum: readonly string[];
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** What the chart decides itself: it mounts the files, and the broker has no disk to write to. */
const OF_THE_CHART = new Set([
  'NODE_ENV',
  'PORT',
  'VAULT_STORE',
  'VAULT_PATH',
  'AUDIT_LOG',
  'SETTINGS_FILE',
  'CALLER_JWT_ISSUERS_FILE',
  'TLS_CERT_FILE',
  'TLS_KEY_FILE',
  'TLS_CLIENT_CA_FILE',
  'REDIS_CA_FILE',
  'UPSTREAM_CA_FILE',
]);
const RELOADABLE: readonly string[] = RELOADABLE_VALUES;
const schema = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8')) as Schema;
const known = Object.keys(schema.properties['settings']!.properties);
const secrets: readonly string[] = SECRET_SETTINGS;

beforeAll(async () => {
  await rendered();
  // The first test of a new checkout fetches Go and builds the renderer.
}, 300_000);

describe('settings', () => {
  it('of the broker can all be set, as a setting, as a secret or by an option of its own', () => {
    expect(known.toSorted()).toEqual(
      SETTING_NAMES.filter((name) => !secrets.includes(name) && !OF_THE_CHART.has(name)).toSorted(),
    );
    const { files } = schema.properties['secret']!.properties;
    expect(Object.keys(files!.properties).toSorted()).toEqual(secrets.toSorted());
  });

  it('that a pod gets are all known to the broker', async () => {
    const { env } = podIn(await rendered(everything)).containers[0]!;
    const names = [...SETTING_NAMES, ...secrets.map((name) => `${name}_FILE`), 'NODE_OPTIONS'];
    expect(names).toEqual(expect.arrayContaining(env!.map(({ name }) => name)));
  });

  it('that are secrets come as files, and by no other way', async () => {
    const { env } = podIn(await rendered(everything)).containers[0]!;
    for (const name of secrets) {
      const path = env!.find((each) => each.name === `${name}_FILE`)?.value;
      expect(path ?? '/run/secrets/').toMatch(/^\/run\/secrets\//);
      expect(env!.map((each) => each.name)).not.toContain(name);
      expect(objectionsTo({ settings: { [name]: 'canary' } }).join()).toMatch(`additional properties (${name})`);
    }
    expect(env!.filter(({ valueFrom }) => valueFrom !== undefined)).toEqual([]);
  });

  it('that are taken over without a restart stand in the file alone, the others in the environment', async () => {
    const limits = Object.fromEntries([...RATES, ...SERVER_LIMITS].map((name) => [name, 9_000]));
    const settings = { ...limits, LOG_LEVEL: 'debug', RATE_LIMIT_PER_CALLER: 9_000_000 };
    const objects = await rendered({ settings: { ...settings, METRICS_CLIENTS: 7 } });
    const { data } = objects.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: Record<string, string> };
    const lines = data['settings.env']!.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines.toSorted()).toEqual(
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}`)
        .toSorted(),
    );
    expect(lines.map((line) => line.replace(/=.*/, '')).toSorted()).toEqual(RELOADABLE.toSorted());
    const { env } = podIn(objects).containers[0]!;
    expect(env!.filter(({ name }) => RELOADABLE.includes(name))).toEqual([]);
    expect(env).toContainEqual({ name: 'METRICS_CLIENTS', value: '7' });
  });

  it.each(known)('the schema and the broker agree on %s', (name) => {
    for (const value of samplesFor(schema.properties['settings']!.properties[name]!)) {
      const isTaken = objectionsTo({ settings: { [name]: value } }).length === 0;
      const given = plainToInstance(Environment, { [name]: String(value) });
      expect([value, isTaken]).toEqual([value, validateSync(given).length === 0]);
    }
  });
});

/** Around each bound, each choice and none of them, and kinds of text. */
function samplesFor({ type, enum: choices, minimum = NaN, maximum = NaN }: Schema): unknown[] {
  if (choices) return [...choices, 'verbose'];
  if (type === 'boolean') return [true, false];
  if (type === 'integer') return [minimum - 1, minimum, maximum, maximum + 1, minimum + 0.5];
  if (type === 'number') return [minimum - 0.01, minimum, maximum, maximum + 0.01];
  const urls = ['https://a.example/x', 'http://127.0.0.1:3001/x', 'https://u@a', 'https://a?b', 'ftp://a'];
  return [...urls, 'a', 'a:1,b:2', '[::1]:6379', 'tb:', 'x'.repeat(65), 'a b', 'a\u0007'];
}

describe('values that are wrong are refused, and it is said where and why', () => {
  it.each<[string, Values, RegExp]>([
    ['an unknown option', { replicaCount: 3 }, /^at \/: must NOT have additional properties \(replicaCount\)$/],
    ['an unknown option inside', { image: { tags: '1' } }, /^at \/image: .*\(tags\)$/],
    ['an unknown setting', { settings: { LOG_LVL: 'info' } }, /^at \/settings: .*\(LOG_LVL\)$/],
    ['a setting of the chart', { settings: { PORT: 80 } }, /^at \/settings: .*\(PORT\)$/],
    ['a secret among the settings', { settings: { ADMIN_KEY: 'x' } }, /^at \/settings: .*\(ADMIN_KEY\)$/],
    ['an unknown secret', { secret: { files: { ADMIN_KYE: 'admin-key' } } }, /^at \/secret\/files: .*\(ADMIN_KYE\)$/],
    [
      'a secret instead of its key',
      { secret: { files: { REDIS_URL: 'redis://h' } } },
      /^at \/secret\/files\/REDIS_URL: /,
    ],
    ['no master keys', { secret: { files: { VAULT_KEYS: null } } }, /^at \/secret\/files: .*\(VAULT_KEYS\)$/],
    ['text for a number', { settings: { RATE_LIMIT_PER_KEY: '250' } }, /^at .*RATE_LIMIT_PER_KEY: must be integer/],
    ['text for yes or no', { autoscaling: { enabled: 'false' } }, /^at \/autoscaling\/enabled: must be boolean/],
    [
      'too long a drain',
      { settings: { SHUTDOWN_TIMEOUT_MS: 300_001 } },
      /^at .*SHUTDOWN_TIMEOUT_MS: must be <= 300000/,
    ],
    [
      'plain http',
      { settings: { UPSTREAM_SANDBOX_URL: 'http://a.example' } },
      /^at .*UPSTREAM_SANDBOX_URL: must match/,
    ],
    ['nothing where a setting is', { settings: { LOG_LEVEL: null } }, /^at \/settings\/LOG_LEVEL: /],
    ['an option taken away', { autoscaling: { cpu: null } }, /^at \/autoscaling: must have required property 'cpu'/],
    ['a quantity that is none', { resources: { limits: { memory: '512MB' } } }, /^at \/resources\/limits\/memory: /],
    ['a list of nobody, which would be everybody', { networkPolicy: { callers: [] } }, /callers: .*fewer than 1 items/],
    ['a peer that is everybody', { networkPolicy: { callers: [{}] } }, /callers\/0: .*fewer than 1 properties/],
    ['an unknown peer', { networkPolicy: { callers: [{ pods: {} }] } }, /callers\/0: .*\(pods\)/],
    [
      'an address that is no network',
      { networkPolicy: { dns: [{ ipBlock: { cidr: '10.0.0.1' } }] } },
      /ipBlock\/cidr: /,
    ],
    ['an issuer without callers', { jwtIssuers: [{ ...kubernetesIssuer, callers: [] }] }, /jwtIssuers\/0\/callers: /],
    ['an unknown field of an issuer', { jwtIssuers: [{ ...kubernetesIssuer, aud: 'x' }] }, /jwtIssuers\/0: .*\(aud\)/],
    ['an unknown algorithm', { jwtIssuers: [{ ...kubernetesIssuer, algorithms: ['HS256'] }] }, /algorithms\/0: /],
    ['a name that is none', { vaultSecret: 'My Secret' }, /^at \/vaultSecret: must match/],
    ['a budget of everybody', { podDisruptionBudget: { minAvailable: '100%' } }, /minAvailable: must match/],
    [
      'a budget of all replicas',
      { podDisruptionBudget: { minAvailable: 3 } },
      /minAvailable must be less than the fewest/,
    ],
    ['more replicas at least than at most', { autoscaling: { maxReplicas: 2 } }, /minReplicas must be at most/],
    ['no Redis', { secret: { files: { REDIS_URL: null } } }, /must say where Redis is: none does/],
    [
      'two of them',
      { settings: { REDIS_SENTINELS: 'a:1' } },
      /is: settings.REDIS_SENTINELS and secret.files.REDIS_URL/,
    ],
    [
      'an authority of nowhere',
      { authorities: { files: { REDIS_CA_FILE: 'ca.crt' } } },
      /authorities.configMap, which must/,
    ],
    ['client certificates without TLS', { tls: { clientCa: 'ca.crt' } }, /tls.clientCa is a key of tls.secret/],
  ])('%s', async (_, values, message) => {
    await expect(rendered(values)).rejects.toThrow(message);
  });

  it('and issuers may sign as the broker has it', () => {
    const { algorithms } = schema.definitions['jwtIssuer']!.properties;
    expect(algorithms!.items.enum).toEqual(JWT_ALGORITHMS);
  });
});
