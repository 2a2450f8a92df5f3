import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { bearer, call } from '../support/http.js';
import { type EndedProcess, eventually, runToEnd, start } from '../support/processes.js';
import { freePort, RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

const secret = randomBytes(24).toString('base64url');
const adminKey = `admin-${secret}`;
const vaultKeys = `first:${randomBytes(32).toString('base64')}`;
const otherKeys = `first:${randomBytes(32).toString('base64')}`;
const merchant_vat = 'DK12345678';
const settings = { PORT: '0', ADMIN_KEY: adminKey, VAULT_KEYS: vaultKeys };

let sandbox: RunningSandbox;
let vault: string;

/** A vault with one client and one caller. */
beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  const folder = aFolder();
  const broker = await RunningBroker.start(sandbox, settings, folder);
  await broker.addClient('acme', secret);
  await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'] }]);
  expect(await broker.process.stop()).toBe(0);
  vault = readFileSync(join(folder, 'data/vault.json'), 'utf8');
});

/** A folder with a vault file of this content. */
function withVault(text: string | Buffer): string {
  const folder = aFolder();
  mkdirSync(join(folder, 'data'));
  writeFileSync(join(folder, 'data/vault.json'), text);
  return folder;
}

/** Whole lines for a person: no stack, no object, no secret. */
function expectPlain({ code, output }: EndedProcess, exitCode: number, lines: readonly RegExp[]): void {
  expect(code).toBe(exitCode);
  const said = output.split('\n').filter((line) => line !== '');
  expect(said).toEqual(lines.map((line) => expect.stringMatching(line)));
  expect(output).not.toMatch(/^\s+at /m);
  expect(output).not.toMatch(/[{}[\]]|undefined/);
  for (const each of [secret, vaultKeys, otherKeys].flatMap((text) => [text, text.split(':')[1] ?? text])) {
    expect(output).not.toContain(each);
  }
}

const cannotStart = (reason: string) => new RegExp(`^token-broker cannot start: .*${reason}`);

describe('the broker says in one line that it cannot start, and ends with 1:', () => {
  it('its port is in use', async () => {
    const { url } = await start('broker', settings);
    const { port } = new URL(url);
    expectPlain(await runToEnd('broker', { ...settings, PORT: port }), 1, [cannotStart(`the port is in use.*${port}`)]);
  });

  it('its address is none of this machine', async () => {
    const { code, output } = await runToEnd('broker', { ...settings, HOST: '192.0.2.1' });
    expectPlain({ code, output }, 1, [cannotStart('192\\.0\\.2\\.1')]);
  });

  it('a folder is in the vault’s place', async () => {
    const folder = aFolder();
    mkdirSync(join(folder, 'data/vault.json'), { recursive: true });
    expectPlain(await runToEnd('broker', settings, folder), 1, [cannotStart('data/vault\\.json.*EISDIR')]);
  });

  it('a file is in the place of the vault’s folder', async () => {
    const folder = aFolder();
    writeFileSync(join(folder, 'data'), 'a file');
    expectPlain(await runToEnd('broker', settings, folder), 1, [cannotStart('data/vault\\.json.*ENOTDIR')]);
    expect(readFileSync(join(folder, 'data'), 'utf8')).toBe('a file');
  });

  const changed = (record: string, part: number) => {
    const content = JSON.parse(vault) as { records: Record<string, { sealed: string }> };
    const parts = content.records[record]!.sealed.split('.');
    const bytes = Buffer.from(parts[part]!, 'base64url');
    bytes[bytes.length >> 1]! ^= 1;
    parts[part] = bytes.toString('base64url');
    content.records[record]!.sealed = parts.join('.');
    return JSON.stringify(content, null, 2);
  };
  it.each<[string, () => string, string]>([
    ['is cut short', () => vault.slice(0, vault.length / 2), 'data/vault\\.json is cut short'],
    ['is empty', () => '', 'data/vault\\.json is cut short'],
    ['is no JSON', () => secret, 'data/vault\\.json is cut short or is not JSON'],
    ['is other JSON', () => `{"secret":"${secret}"}`, 'data/vault\\.json is not a vault'],
    ['is an array', () => '[]', 'data/vault\\.json is not a vault'],
    ['is of a later version', () => vault.replace('"format": 1', '"format": 2'), 'a format that this version'],
    ['has a bit changed in the wrapped key', () => changed('client/acme', 1), 'client/acme cannot be opened'],
    ['has a bit changed in a record', () => changed('client/acme', 3), 'client/acme cannot be opened'],
    ['has a bit changed in a tag', () => changed('caller/shop', 4), 'caller/shop cannot be opened'],
    ['has two records swapped', () => swapped(), '(client/acme|caller/shop) .*another place'],
    [
      'has an older record',
      () => vault.replace(/"version": (?=\d+,[^}]*\}\s*\}\s*\}\s*$)/, '"version": 1'),
      'caller/shop .*version',
    ],
    ['has a record cut short', () => vault.replace(/"sealed": "[^"]{60}/, '"sealed": "'), 'cannot be opened'],
    [
      'has a record of another shape',
      () => vault.replace(/"version": (\d+)/, '"version": "$1"'),
      'client/acme .*damaged',
    ],
  ])('the vault %s; the file is left as it is', async (_, content, reason) => {
    const text = content();
    expect(text).not.toBe(vault);
    const folder = withVault(text);
    expectPlain(await runToEnd('broker', settings, folder), 1, [cannotStart(reason)]);
    expect(readFileSync(join(folder, 'data/vault.json'), 'utf8')).toBe(text);
  });

  it('any bit of the vault file is flipped; the file is left as it is', async () => {
    for (let i = 0; i < 8; i += 1) {
      const bytes = Buffer.from(vault);
      bytes[Math.floor(((i + 0.5) / 8) * bytes.length)]! ^= 1 << (i % 8);
      const folder = withVault(bytes);
      expectPlain(await runToEnd('broker', settings, folder), 1, [cannotStart('data/vault\\.json')]);
      expect(readFileSync(join(folder, 'data/vault.json'))).toEqual(bytes);
    }
  }, 60_000);

  it.each([
    ['another value under the same id', otherKeys, 'the master key has another value'],
    ['another id', otherKeys.replace('first', 'second'), 'master key "first", which is not in the ring \\(second\\)'],
  ])('the master key has %s', async (_, keys, reason) => {
    const folder = withVault(vault);
    const ended = await runToEnd('broker', { ...settings, VAULT_KEYS: keys }, folder);
    expectPlain(ended, 1, [cannotStart(`client/acme .*${reason}.*1 more`)]);
    expect(readFileSync(join(folder, 'data/vault.json'), 'utf8')).toBe(vault);
  });

  function swapped(): string {
    const content = JSON.parse(vault) as { records: Record<string, unknown> };
    const { 'client/acme': client, 'caller/shop': caller } = content.records;
    return JSON.stringify({ ...content, records: { 'client/acme': caller, 'caller/shop': client } });
  }
});

describe('the broker ends with 78 and a line for each setting:', () => {
  it('several are wrong at once', async () => {
    const wrong = {
      PORT: secret,
      LOG_LEVEL: secret,
      ADMIN_KEY: 'short',
      VAULT_KEYS: `first:${secret}`,
      UPSTREAM_SANDBOX_URL: `ftp://user:${secret}@x/`,
      UPSTREAM_RETRIES: '-1',
      SHUTDOWN_DELAY_MS: secret,
    };
    const names = [
      'PORT',
      'LOG_LEVEL',
      'ADMIN_KEY',
      'UPSTREAM_SANDBOX_URL',
      'UPSTREAM_RETRIES',
      'SHUTDOWN_DELAY_MS',
      'VAULT_KEYS',
    ];
    const ended = await runToEnd('broker', wrong);
    expectPlain(
      ended,
      78,
      names.map(() => /^setting [A-Z_]+:? \S/),
    );
    expect(ended.output.split('\n').map((line) => line.split(/[ :]/)[1])).toEqual(expect.arrayContaining(names));
  });

  it('production is given no keys, and plain http abroad', async () => {
    const given = { NODE_ENV: 'production', PORT: '0', UPSTREAM_PRODUCTION_URL: `http://x/${secret}` };
    const lines = [/^setting UPSTREAM_PRODUCTION_URL must be https/, /^setting VAULT_KEYS must be set in production/];
    const ended = await runToEnd('broker', given);
    expectPlain({ ...ended, output: ended.output.split('\n').toSorted().join('\n') }, 78, lines);
  });

  it('a secret’s file is not there', async () => {
    const { ADMIN_KEY: _, ...others } = settings;
    const ended = await runToEnd('broker', { ...others, ADMIN_KEY_FILE: '/nowhere' });
    expectPlain(ended, 78, [/^setting ADMIN_KEY_FILE must name a file that can be read \(ENOENT\)$/]);
  });

  it('the folder for its own keys cannot be made', async () => {
    const folder = aFolder();
    writeFileSync(join(folder, 'data'), 'a file');
    const lines = [/^setting data\/master\.key cannot be read or made \((ENOTDIR|EEXIST)\)/];
    expectPlain(await runToEnd('broker', { PORT: '0' }, folder), 78, lines);
  });
});

it('a vault that can no longer be written is told to who writes, and read on', async () => {
  const folder = aFolder();
  const broker = await RunningBroker.start(sandbox, { ...settings, VAULT_PATH: 'vault/vault.json' }, folder);
  writeFileSync(join(folder, 'vault'), 'a file in the place of the folder');
  const put = { headers: { ...bearer(adminKey), 'content-type': 'application/json' }, body: '{"roles":["ops"]}' };
  expect(await call('PUT', `${broker.url}/v1/callers/ops`, put)).toMatchObject({
    status: 503,
    json: { code: 'vault_unavailable', detail: expect.stringMatching(/vault\.json cannot be .*(ENOTDIR|EEXIST)/) },
  });
  expect(await call('GET', `${broker.url}/health/ready`)).toMatchObject({ status: 200 });
  expect(broker.process.output()).not.toContain('internal_error');
});

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  const serving = async (env: Record<string, string>) => {
    const broker = await RunningBroker.start(sandbox, { ...settings, UPSTREAM_TIMEOUT_MS: '4000', ...env });
    await broker.addClient('acme', secret);
    return { broker, key: await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'] }]) };
  };
  afterEach(() => sandbox.clearFaults());

  it('ends it with 0', async () => {
    const { broker } = await serving({});
    expect(await broker.process.stop(signal)).toBe(0);
    expect(broker.process.output()).not.toMatch(/^\s+at |internal_error/m);
  });

  it('answers what is under way, and new requests until the delay is over, while it is not ready', async () => {
    const { broker, key } = await serving({ SHUTDOWN_DELAY_MS: '600' });
    await sandbox.fault({ kind: 'latency', latency_ms: 1_500 });
    const slow = broker.token(key, { client: 'acme', merchant_vat });
    await eventually(async () => (await sandbox.calls('acme-id')) > 0 || undefined);
    const ended = broker.process.stop(signal);
    const ready = await eventually(async () => {
      const answer = await call('GET', `${broker.url}/health/ready`);
      return answer.status === 503 ? answer : undefined;
    });
    expect(ready.text).toContain('draining');
    expect(ready.headers.get('cache-control')).toBe('no-store');
    expect(await call('GET', `${broker.url}/health/live`)).toMatchObject({ status: 200 });
    expect(await broker.token(key, { client: 'nobody', merchant_vat })).toMatchObject({ status: 404 });
    expect(await slow).toMatchObject({ status: 200 });
    expect(await ended).toBe(0);
  }, 10_000);

  it.each(['SIGTERM', 'SIGINT'] as const)('and then %s ends it at once', async (second) => {
    const { broker } = await serving({ SHUTDOWN_DELAY_MS: '60000' });
    broker.process.child.kill(signal);
    await eventually(async () => (await call('GET', `${broker.url}/health/ready`)).status === 503 || undefined);
    const before = performance.now();
    expect(await broker.process.stop(second)).toBe(1);
    expect(performance.now() - before).toBeLessThan(2_000);
  });
});

describe('a vault in a Redis that is not there', () => {
  const inRedis = (port: number) => ({
    ...settings,
    VAULT_STORE: 'redis',
    VAULT_REDIS_URL: `redis://127.0.0.1:${port}`,
  });

  it('is waited for: it may be failing over', async () => {
    const port = await freePort();
    const broker = start('broker', inRedis(port));
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await RunningRedis.start([], port);
    expect((await call('GET', `${(await broker).url}/health/ready`)).status).toBe(200);
  });

  it('ends the start in the end, and is named', async () => {
    const { code, output } = await runToEnd('broker', inRedis(await freePort()));
    expect(code).toBe(1);
    expect(output).toMatch(/token-broker cannot start: .*vault/);
  });
});
