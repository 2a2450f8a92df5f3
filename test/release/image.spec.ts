import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { KeyRing } from '#vault';

import { execForm, readDockerfile, type Stage } from '../support/dockerfile.js';
import { bearer, call, callJson } from '../support/http.js';
import { isIgnored, TestImage } from '../support/image.js';
import { root } from '../support/processes.js';
import { freePort, RunningRedis } from '../support/redis.js';

const BUILT_WITHIN_MS = 300_000;
const stages = readDockerfile();
const last = stages.at(-1)!;

const copies = (stage: Stage) => stage.steps.flatMap((step) => (step.kind === 'copy' ? [step] : []));

describe('the Dockerfile', () => {
  it('copies what is there, and what .dockerignore lets through', () => {
    const sources = stages.flatMap(copies).flatMap(({ from, sources: each }) => (from === undefined ? each : []));
    expect(sources.length).toBeGreaterThan(5);
    expect(sources.filter((source) => isIgnored(source) || !existsSync(join(root, source)))).toEqual([]);
  });

  it.each([
    'data',
    'data/admin.key',
    '.env',
    '.git',
    'node_modules',
    'dist',
    '.cache',
    'test',
    'apps/broker/src/log/stdout.spec.ts',
  ])('keeps %s out of the build context', (path) => expect(isIgnored(path)).toBe(true));

  it('builds with Node 24, each base at a release', () => {
    expect(stages.map(({ base }) => base).filter((base) => !/node(js)?(24-|:24-)/.test(base))).toEqual([]);
  });

  it('ends with a base that has no shell, and takes nothing but files from the other stages', () => {
    expect(last.base).toMatch(/^gcr\.io\/distroless\//);
    expect(last.steps.filter(({ kind }) => kind === 'run')).toEqual([]);
    expect(copies(last).map(({ from }) => from)).not.toContain(undefined);
    for (const name of ['ENTRYPOINT', 'CMD', 'HEALTHCHECK']) {
      expect(execForm(last.settings[name])).toEqual(expect.arrayContaining([expect.any(String)]));
    }
  });

  it('belongs to root, and is run by somebody else, known by number', () => {
    const [uid, gid] = (last.settings['USER'] ?? '').split(':').map(Number);
    expect([uid, gid]).toEqual([65_532, 65_532]);
  });

  it('says what the image is, and which version', () => {
    expect(last.labels).toEqual({
      'org.opencontainers.image.title': 'Token broker',
      'org.opencontainers.image.description': expect.stringMatching(/MobilePay/),
      'org.opencontainers.image.licenses': 'MIT',
      'org.opencontainers.image.version': '$VERSION',
      'org.opencontainers.image.revision': '$REVISION',
      'org.opencontainers.image.created': '$CREATED',
    });
    expect(Object.keys(last.args)).toEqual(['VERSION', 'REVISION', 'CREATED']);
  });
});

describe('the image, built here without an engine', () => {
  let image: TestImage;

  beforeAll(async () => {
    image = await TestImage.build();
    await image.seal();
  }, BUILT_WITHIN_MS);
  afterAll(() => image.unseal());

  it('holds what production needs, and nothing of what builds, tests and develops it', async () => {
    const files = await image.listing();
    const has = (pattern: RegExp) => files.some((file) => pattern.test(file));
    const wanted = [/redis\/src\/scripts\/acquire\.lua /, /dashboard\/index\.html /, /dashboard\/main-\w+\.js /];
    expect(wanted.filter((pattern) => !has(pattern))).toEqual([]);
    const unwanted = [
      /^app\/(apps|libs|test|scripts|dist\/.+\.ts )/,
      /\.map /,
      /\.d\.ts /,
      /node_modules\/(typescript|jest|esbuild|@swc|@nestjs\/cli)\//,
      /\.env/,
    ];
    expect(unwanted.filter(has)).toEqual([]);
  });

  it('may be written to by nobody, least of all by whom it is run by', async () => {
    const write = "try { require('fs').writeFileSync('x', ''); } catch ({ code }) { console.log(code); }";
    expect((await image.runToEnd(['-e', write])).trim()).toBe('EACCES');
  });

  it('starts, is healthy, hands out a token from a vault in Redis, and stops when it is told to', async () => {
    const before = await image.listing();
    const redis = await RunningRedis.start();
    const sandbox = await image.start({ SANDBOX_PORT: '0' }, ['dist/apps/sandbox/src/main.js']);
    const client = { client_id: 'acme-id', client_secret: randomBytes(12).toString('base64') };
    await callJson('POST', `${sandbox.url}/_sandbox/clients`, client);

    const upstream = `${sandbox.url}/integrator-authentication`;
    const adminKey = randomBytes(24).toString('base64url');
    const env = {
      HOST: '127.0.0.1',
      PORT: String(await freePort()),
      REDIS_URL: redis.url,
      VAULT_STORE: 'redis',
      VAULT_KEYS: KeyRing.generate('test'),
      ADMIN_KEY: adminKey,
      UPSTREAM_SANDBOX_URL: upstream,
      UPSTREAM_PRODUCTION_URL: upstream,
    };
    const broker = await image.start(env);
    expect(await image.check(env)).toEqual({ code: 0, said: '' });
    const pages = ['/dashboard', '/docs', '/openapi.json'].map((path) => call('GET', `${broker.url}${path}`));
    expect((await Promise.all(pages)).map(({ status }) => status)).toEqual([200, 200, 200]);

    const body = { environment: 'sandbox', ...client };
    expect(await callJson('PUT', `${broker.url}/v1/clients/acme`, body, bearer(adminKey))).toMatchObject({
      status: 201,
    });
    const cli = (...args: string[]) =>
      image.runToEnd(['dist/apps/cli/src/main.js', '--json', ...args], {
        TOKEN_BROKER_URL: broker.url,
        TOKEN_BROKER_KEY: adminKey,
      });
    await cli('callers', 'put', 'shop', '--role', 'token', '--grant', 'acme=DK*');
    const { key } = JSON.parse(await cli('callers', 'add-key', 'shop')) as { key: string };
    const wanted = { client: 'acme', merchant_vat: 'DK12345678' };
    expect(await callJson('POST', `${broker.url}/v1/tokens`, wanted, bearer(key))).toMatchObject({ status: 200 });

    expect(await broker.stop()).toBe(0);
    expect(await image.check(env)).toMatchObject({ code: 1 });
    expect(await sandbox.stop()).toBe(0);
    expect(await image.listing()).toEqual(before);
  }, 60_000);
});
