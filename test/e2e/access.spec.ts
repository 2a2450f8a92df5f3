import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { bearer, call } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { expectProblem } from '../support/problems.js';
import { RunningRedis } from '../support/redis.js';
import { Replicas } from '../support/replicas.js';
import { RunningSandbox } from '../support/sandbox.js';

const VAT = 'DK12345678';
const WITHIN_MS = 1_000;

let sandbox: RunningSandbox;
let broker: RunningBroker;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  broker = await RunningBroker.start(sandbox, { RATE_LIMIT_PER_KEY: '20', UPSTREAM_RETRIES: '0' });
  for (const name of ['acme', 'other']) await broker.addClient(name);
});

const admin = (method: string, path: string, body?: object, at = broker) => at.admin(method, path, body);
const status = async (key: string, body: object = { client: 'acme', merchant_vat: VAT }, at = broker) =>
  (await at.token(key, body)).status;

describe('a caller key', () => {
  it('takes the place of another without a request refused', async () => {
    const old = await broker.addCaller('rotating', ['token'], [{ client: 'acme', merchants: ['*'] }]);
    const made = await admin('POST', '/v1/callers/rotating/keys', {});
    const next = String(made.json['key']);
    expect(made.headers.get('cache-control')).toBe('no-store');
    expect([await status(old), await status(next)]).toEqual([200, 200]);
    expect((await admin('DELETE', `/v1/callers/rotating/keys/${old.slice(4, 16)}`)).status).toBe(204);
    expect([await status(old), await status(next)]).toEqual([401, 200]);
  });

  it('stands nowhere once it was shown', async () => {
    const key = await broker.addCaller('shown-once', ['token']);
    for (const path of ['/v1/callers', '/v1/callers/shown-once']) {
      const { text } = await admin('GET', path);
      expect(text).toContain(key.slice(4, 16));
      expect(text).not.toContain(key.slice(16));
    }
  });

  it('runs out when it was said to', async () => {
    await broker.addCaller('short', ['token'], [{ client: 'acme', merchants: ['*'] }]);
    const { json } = await admin('POST', '/v1/callers/short/keys', { expires_in: 2 });
    const [key, expiresAt] = [String(json['key']), Date.parse(String(json['expires_at']))];
    expect(await status(key)).toBe(200);
    await eventually(async () => (await status(key)) === 401 || undefined);
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt);
  });

  it('shows when it was last used', async () => {
    const key = await broker.addCaller('seldom', ['token'], [{ client: 'acme', merchants: ['*'] }]);
    const lastUse = async () => {
      const { keys } = (await admin('GET', '/v1/callers/seldom')).json as { keys: [{ last_used_at?: string }] };
      return keys[0].last_used_at;
    };
    expect(await lastUse()).toBeUndefined();
    await status(`${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`);
    expect(await lastUse()).toBeUndefined();
    const before = Date.now();
    await status(key);
    const first = Date.parse((await lastUse())!);
    expect(first).toBeGreaterThanOrEqual(before);
    expect(first).toBeLessThanOrEqual(Date.now());
  });

  it('with one bit changed, cut short, too long, or of a deleted caller is none, and is not shown anywhere', async () => {
    const key = await broker.addCaller('deleted', ['token'], [{ client: 'acme', merchants: ['*'] }]);
    const flipped = [...key].map((_, at) => {
      const bytes = Buffer.from(key);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes.toString('latin1');
    });
    const wrong = [...flipped, key.slice(0, -1), key.slice(1), `${key}0`, key.slice(0, 16), 'tbk_', key.toUpperCase()];
    for (const each of wrong) {
      const answer = await broker.token(each, { client: 'acme', merchant_vat: VAT });
      expectProblem(answer, 401, 'unauthenticated');
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      expect(answer.text).not.toContain(each.slice(0, 20));
    }
    await admin('DELETE', '/v1/callers/deleted');
    expect(await status(key)).toBe(401);
    expect(broker.process.output()).not.toContain(key.slice(4, 40));
  });
});

describe('grants', () => {
  it('are explained to an admin: whether a caller may, and why', async () => {
    await broker.addCaller('explained', ['token'], [{ client: 'acme', merchants: ['DK12*'] }]);
    await broker.addCaller('watcher', ['ops'], [{ client: '*', merchants: ['*'] }]);
    const can = async (caller: string, query: string) =>
      (await admin('GET', `/v1/callers/${caller}/can?${query}`)).json;
    expect(await can('explained', `client=acme&merchant_vat=${VAT}`)).toEqual({
      caller: 'explained',
      client: 'acme',
      merchant_vat: VAT,
      allowed: true,
      why: 'this grant allows it',
      grant: { client: 'acme', merchants: ['DK12*'], unrestricted: false },
      client_state: 'enabled',
    });
    expect(await can('explained', 'client=acme&merchant_vat=DK22222222')).toMatchObject({
      allowed: false,
      why: expect.stringContaining('none the merchant'),
      grant: null,
    });
    expect(await can('explained', 'client=acme')).toMatchObject({
      why: expect.stringContaining('bound to no merchant'),
    });
    expect(await can('explained', `client=nowhere&merchant_vat=${VAT}`)).toMatchObject({
      allowed: false,
      why: 'no grant names the client',
      client_state: 'unknown',
    });
    expect(await can('watcher', `client=acme&merchant_vat=${VAT}`)).toMatchObject({
      allowed: false,
      why: 'the caller does not have the role "token"',
    });
    expectProblem(await admin('GET', '/v1/callers/nobody/can?client=acme'), 404, 'not_found');
    expectProblem(await admin('GET', '/v1/callers/explained/can?client=A%20B&merchant_vat=x'), 400, 'invalid_request', [
      'client',
      'merchant_vat',
    ]);
    expectProblem(await admin('GET', '/v1/callers/explained/can'), 400, 'invalid_request', ['client']);
  });

  it('refuse a client that is there and one that is not in the same words', async () => {
    const key = await broker.addCaller('curious', ['token'], [{ client: 'acme', merchants: [VAT] }]);
    const refusal = async (client: string) => {
      const { status: code, json, headers } = await broker.token(key, { client, merchant_vat: VAT });
      const { correlation_id: _, ...said } = json;
      return { code, said: JSON.stringify(said).replaceAll(client, '…'), headers: [...headers.keys()] };
    };
    const oauth = async (client: string) => {
      const { status: code, text } = await broker.oauth(client, key, { merchant_vat: VAT });
      return { code, said: text.replaceAll(client, '…') };
    };
    expect(await refusal('other')).toEqual(await refusal('nowhere'));
    expect((await refusal('other')).code).toBe(403);
    expect(await oauth('other')).toEqual(await oauth('nowhere'));
  });
});

describe('limits', () => {
  it('count what is not answered from memory, by caller and key; a token in memory is given as often as it is asked for', async () => {
    const grants = [{ client: '*', merchants: ['*'] }];
    const [one, two] = [
      await broker.addCaller('busy', ['token'], grants),
      await broker.addCaller('calm', ['token'], grants),
    ];
    const [vat, body] = ['DK33333333', { client: 'acme', merchant_vat: 'DK33333333' }];
    for (let i = 0; i < 60; i += 1) expect(await status(one, body)).toBe(200);

    await sandbox.fault({ kind: 'status', status: 503, client_id: 'other-id' });
    const failing = { client: 'other', merchant_vat: vat };
    const codes: number[] = [];
    for (let i = 0; i < 21; i += 1) codes.push(await status(one, failing));
    expect(codes).toEqual([...Array<number>(20).fill(503), 429]);
    const limited = await broker.token(one, failing);
    expectProblem({ ...limited, json: { ...limited.json, retry_after: undefined } }, 429, 'rate_limited');
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(limited.json['retry_after']).toBe(Number(limited.headers.get('retry-after')));
    const asOAuth = await broker.oauth('other', one, { merchant_vat: vat });
    expect([asOAuth.status, asOAuth.json['error']]).toEqual([429, 'temporarily_unavailable']);
    // Another key, another caller, and what is in memory are not concerned.
    expect(await status(one, { client: 'other', merchant_vat: 'DK33333334' })).toBe(503);
    expect(await status(two, failing)).toBe(503);
    expect(await status(one, body)).toBe(200);
    await sandbox.clearFaults();
    // It fills again as time goes by: one each three seconds.
    await eventually(async () => (await status(one, failing)) !== 429 || undefined, 5_000);
  }, 20_000);

  it('do not count those who wait for a refresh under way', async () => {
    const key = await broker.addCaller('crowd', ['token'], [{ client: 'acme', merchants: ['*'] }]);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => status(key, { client: 'acme', merchant_vat: 'DK44444444' })),
    );
    expect(new Set(answers)).toEqual(new Set([200]));
  });

  it('hold a caller back that asks for more than its share of a replica', async () => {
    const small = await RunningBroker.start(sandbox, { RATE_LIMIT_PER_CALLER: '60' });
    await small.addClient('acme');
    const grants = [{ client: '*', merchants: ['*'] }];
    const [one, two] = [
      await small.addCaller('one', ['token'], grants),
      await small.addCaller('two', ['token'], grants),
    ];
    const codes = new Map<number, number>();
    for (let i = 0; i < 70; i += 1) {
      const code = await status(one, undefined, small);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect(codes.get(200)).toBeGreaterThanOrEqual(60);
    expect(codes.get(429)).toBeGreaterThanOrEqual(1);
    expect(await status(two, undefined, small)).toBe(200);
  });
});

describe('who waits for a token', () => {
  it.each<[string, string, object | undefined, string, number]>([
    ['the client is switched off', 'PATCH', { enabled: false }, '/v1/clients/slow-1', 409],
    ['the client is deleted', 'DELETE', undefined, '/v1/clients/slow-2', 404],
    ['the caller is deleted', 'DELETE', undefined, '/v1/callers/slow-3', 401],
    ['its grant is taken away', 'PUT', { roles: ['token'], grants: [] }, '/v1/callers/slow-4', 403],
  ])('gets none if %s meanwhile', async (_, method, sent, path, expected) => {
    const name = path.slice(-'slow-1'.length);
    await broker.addClient(name);
    const key = await broker.addCaller(name, ['token'], [{ client: name, merchants: ['*'] }]);
    await sandbox.fault({ kind: 'latency', latency_ms: 1_000, client_id: `${name}-id` });
    const waiting = status(key, { client: name, merchant_vat: VAT });
    await eventually(async () => (await sandbox.calls(`${name}-id`)) > 0 || undefined);
    expect((await admin(method, path, sent)).status).toBeLessThan(300);
    expect(await waiting).toBe(expected);
    await sandbox.clearFaults();
  });
});

describe('a revocation reaches every replica within a second:', () => {
  it('of a key, of a grant, of a caller', async () => {
    const redis = await RunningRedis.start();
    const replicas = await Replicas.start(
      3,
      sandbox,
      { REDIS_URL: `redis://127.0.0.1:${redis.port}`, VAULT_STORE: 'redis' },
      1,
    );
    const [first] = replicas.brokers as [RunningBroker];
    const key = await first.addCaller('till', ['token'], [{ client: '*', merchants: ['*'] }]);
    const client = replicas.aClient();
    const everywhere = async (code: number) => {
      const sinceMs = performance.now();
      for (const each of replicas.brokers) {
        await eventually(async () => (await status(key, { client, merchant_vat: VAT }, each)) === code || undefined);
      }
      return performance.now() - sinceMs;
    };
    await everywhere(200);
    await admin('PUT', '/v1/callers/till', { roles: ['token'], grants: [] }, first);
    expect(await everywhere(403)).toBeLessThan(WITHIN_MS);
    await admin('PUT', '/v1/callers/till', { roles: ['token'], grants: [{ client: '*', merchants: ['*'] }] }, first);
    expect(await everywhere(200)).toBeLessThan(WITHIN_MS);
    await admin('DELETE', `/v1/callers/till/keys/${key.slice(4, 16)}`, undefined, first);
    expect(await everywhere(401)).toBeLessThan(WITHIN_MS);
    await redis.stop('SIGKILL');
  }, 30_000);
});

describe('the built-in admin', () => {
  it('makes another admin, and is then switched off', async () => {
    const folder = aFolder();
    const first = await RunningBroker.start(sandbox, {}, folder);
    const key = await first.addCaller('anna', ['admin']);
    const as = (at: RunningBroker, credential: string) =>
      call('GET', `${at.url}/v1/callers`, { headers: bearer(credential) }).then((answer) => answer.status);
    expect([await as(first, first.adminKey), await as(first, key)]).toEqual([200, 200]);
    await first.process.stop();
    expect(first.process.output()).not.toContain('built_in_admin_still_on');
    const reminded = await RunningBroker.start(sandbox, { ADMIN_KEY: first.adminKey }, folder);
    expect(reminded.process.output()).toContain('built_in_admin_still_on');
    await reminded.process.stop();
    const second = await RunningBroker.start(
      sandbox,
      { ADMIN_KEY: first.adminKey, ADMIN_KEY_ENABLED: 'false' },
      folder,
    );
    expect([await as(second, first.adminKey), await as(second, key)]).toEqual([401, 200]);
    expect(second.process.output()).not.toMatch(/built_in_admin_still_on|no_admin/);
  }, 20_000);

  it('that is off, and no other there, is warned of', async () => {
    const shut = await RunningBroker.start(sandbox, { ADMIN_KEY_ENABLED: 'false' });
    expect(shut.process.output()).toContain('no_admin');
  });
});
