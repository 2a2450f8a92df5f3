import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { KeyRing } from '#vault';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { type Answer, bearer, call, callJson } from '../support/http.js';
import { AUDIENCE, RunningIssuer, signed } from '../support/jwt-issuer.js';
import { expectProblem } from '../support/problems.js';
import { eventually } from '../support/processes.js';
import { rawRequest } from '../support/raw-http.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';
import { SecretWatch } from '../support/secret-watch.js';
import { cookie, FROM_THE_PAGE, sealedSession, sessionOf, signedIn, signIn } from '../support/session.js';
import { TlsBroker } from '../support/tls-broker.js';
import { linesIn } from '../support/trail.js';

const HOUR_MS = 3_600_000;
const EVERYTHING = [{ client: '*', merchants: ['*'], unrestricted: true }];
const merchant_vat = 'DK12345678';
const vaultKeys = KeyRing.generate('test');
const folder = aFolder();
const watch = new SecretWatch();

let sandbox: RunningSandbox;
let broker: RunningBroker;
let issuer: RunningIssuer;
/** Of callers that are called as their roles are. */
const keys = new Map<string, string>();

const key = (roles: string) => keys.get(roles)!;
const trail = (event: string) => linesIn(join(folder, 'data/audit.jsonl')).filter((line) => line['event'] === event);
/** Cookies and keys that were given out must not be seen again. */
const saw = (answer: Answer) => {
  const value = sessionOf(answer)?.value;
  if (value) watch.canaries.add(`cookie ${watch.count}`, value);
  watch.hear(answer.text + JSON.stringify([...answer.headers].filter(([name]) => name !== 'set-cookie')));
  return answer;
};
const tryKey = async (body: unknown, headers: Record<string, string> = {}, at = broker) =>
  saw(await callJson('POST', `${at.url}/dashboard/session`, body, headers));
const aSession = async (roles: string, at = broker) =>
  sessionOf(await tryKey({ key: key(roles) }, {}, at))?.value ?? '';
const withSession = async (method: string, path: string, value: string, body?: unknown, headers = {}, at = broker) => {
  const all = { ...cookie(value), ...headers };
  const url = `${at.url}${path}`;
  return saw(body === undefined ? await call(method, url, { headers: all }) : await callJson(method, url, body, all));
};

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  issuer = await RunningIssuer.start();
  const issuers = join(aFolder(), 'issuers.json');
  writeFileSync(issuers, JSON.stringify([issuer.settings([{ caller: 'ops', subject: 'anna' }])]));
  const settings = { VAULT_KEYS: vaultKeys, LOG_LEVEL: 'trace', CALLER_JWT_ISSUERS_FILE: issuers };
  broker = await RunningBroker.start(sandbox, settings, folder);
  await broker.addClient('acme');
  for (const roles of ['ops', 'ops-admin', 'token-ops', 'token-admin', 'token']) {
    keys.set(roles, await broker.addCaller(roles, roles.split('-'), EVERYTHING));
  }
  for (const [roles, each] of keys) watch.canaries.add(`key of ${roles}`, each);
  watch.canaries.add('admin key', broker.adminKey);
});

describe('somebody who signs in', () => {
  it('gets a cookie that no script reads, for this site alone, and for eight hours', async () => {
    const answer = await tryKey({ key: key('ops') });
    expect([answer.status, answer.text, answer.headers.get('cache-control')]).toEqual([204, '', 'no-store']);
    const { value = '', attributes } = sessionOf(answer) ?? {};
    expect(attributes).toEqual([expect.stringMatching(/^Max-Age=\d+$/), 'Path=/', 'HttpOnly', 'SameSite=Strict']);
    expect(Number(attributes?.[0]?.slice('Max-Age='.length))).toBeGreaterThan(8 * 3_600 - 60);
    const read = await signedIn(broker.url, value);
    expect(read).toMatchObject({ status: 200, json: { caller: 'ops', roles: ['ops'] } });
    const leftMs = Date.parse(String(read.json['expires_at'])) - Date.now();
    expect([leftMs > 8 * HOUR_MS - 60_000, leftMs <= 8 * HOUR_MS]).toEqual([true, true]);
    expect((await rawRequest('HEAD', broker.url, '/dashboard/session', cookie(value))).status).toBe(200);
    expect((await withSession('GET', '/v1/tokens', value)).status).toBe(200);
    expect(trail('session.opened').at(-1)).toMatchObject({
      by: 'ops',
      address: '127.0.0.1',
      expires_at: read.json['expires_at'],
    });
  });

  it.each([
    ['https', true],
    ['HTTPS, http', true],
    ['http', false],
    ['http, https', false],
  ])('behind a proxy that says x-forwarded-proto: %s has the cookie marked Secure: %s', async (proto, isSecure) => {
    const answer = await tryKey({ key: key('ops') }, { 'x-forwarded-proto': proto });
    expect(sessionOf(answer)?.attributes.includes('Secure')).toBe(isSecure);
  });

  it('over TLS has the cookie marked Secure', async () => {
    const tls = await TlsBroker.start(sandbox);
    const { headers } = await tls.call('POST', '/dashboard/session', {}, { key: tls.broker.adminKey });
    expect(headers.get('set-cookie')).toMatch(/^token_broker_session=[\w.-]+;.* Secure/);
    await tls.broker.process.stop();
  });

  it('is told who is signed in by its key too, which is no session and does not end as one', async () => {
    const { json } = await call('GET', `${broker.url}/dashboard/session`, { headers: bearer(key('ops-admin')) });
    expect(json).toEqual({ caller: 'ops-admin', roles: ['ops', 'admin'] });
  });

  it('signs out: the cookie is cleared', async () => {
    const value = await aSession('ops');
    const out = await withSession('DELETE', '/dashboard/session', value);
    expect([out.status, sessionOf(out)]).toEqual([
      204,
      { value: '', attributes: ['Max-Age=0', 'Path=/', 'HttpOnly', 'SameSite=Strict'] },
    ]);
    expect(trail('session.closed').at(-1)).toMatchObject({ by: 'ops', address: '127.0.0.1' });
    const before = trail('session.closed').length;
    for (const other of ['', 'garbage']) {
      expect((await withSession('DELETE', '/dashboard/session', other)).status).toBe(204);
    }
    expect(trail('session.closed')).toHaveLength(before);
  });
});

describe('nobody signs in', () => {
  it.each(['wrong', `tbk_${'0'.repeat(12)}${'A'.repeat(43)}${'0'.repeat(8)}`, 'eyJhbGciOiJub25lIn0.e30.', 'ü\n\0'])(
    'with %j',
    async (wrong) => {
      const answer = await tryKey({ key: wrong });
      expectProblem(answer, 401, 'unauthenticated');
      expect(answer.headers.get('set-cookie')).toBeNull();
    },
  );

  it('without the role ops, and the trail says who tried', async () => {
    for (const roles of ['token', 'token-admin']) {
      const answer = await tryKey({ key: key(roles) });
      expectProblem(answer, 403, 'forbidden');
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
    expect(trail('request.refused')).toContainEqual(
      expect.objectContaining({ code: 'forbidden', caller: 'token', route: 'POST /dashboard/session' }),
    );
  });

  it('with anything but a key in JSON', async () => {
    for (const body of [{}, { key: 1 }, { key: '' }, { key: 'x'.repeat(8_193) }]) {
      expectProblem(await tryKey(body), 400, 'invalid_request', ['key']);
    }
    expectProblem(await tryKey({ key: key('ops'), next: '/' }), 400, 'invalid_request', ['body']);
    expectProblem(await tryKey('[]'), 400, 'invalid_request', ['body']);
    const form = await call('POST', `${broker.url}/dashboard/session`, {
      body: new URLSearchParams({ key: key('ops') }),
    });
    expectProblem(saw(form), 415, 'unsupported_media_type');
    const text = await call('POST', `${broker.url}/dashboard/session`, {
      headers: { 'content-type': 'text/plain' },
      body: JSON.stringify({ key: key('ops') }),
    });
    expectProblem(saw(text), 415, 'unsupported_media_type');
  });

  it('after ten wrong keys in a minute from its address, not even with the right one', async () => {
    const other = await RunningBroker.start(sandbox);
    const statuses: number[] = [];
    // At once, too: the eleventh does not overtake.
    const tries = Array.from({ length: 12 }, (_, n) => tryKey({ key: `wrong ${n}` }, {}, other));
    for (const { status } of await Promise.all(tries)) statuses.push(status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([...Array<number>(10).fill(401), 429, 429]);
    const held = await tryKey({ key: other.adminKey }, {}, other);
    expect([held.status, held.json['code']]).toEqual([429, 'rate_limited']);
    expect(Number(held.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    // One more each six seconds.
    await eventually(
      async () => (await tryKey({ key: other.adminKey }, {}, other)).status === 204 || undefined,
      10_000,
    );
    // Right ones are not counted.
    for (let n = 0; n < 12; n += 1) expect((await tryKey({ key: other.adminKey }, {}, other)).status).toBe(204);
    await other.process.stop();
  });
});

describe('a JWT', () => {
  const jwt = (lifeSeconds: number, more: object = {}) => {
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: issuer.name, aud: AUDIENCE, sub: 'anna', iat: now, exp: now + lifeSeconds, ...more };
    const made = signed({ alg: 'RS256', kid: issuer.key.kid }, claims, issuer.key);
    watch.canaries.add(`JWT ${watch.count}`, made);
    return { made, expiresAt: new Date((now + lifeSeconds) * 1_000).toISOString() };
  };

  it('signs in for as long as it is good', async () => {
    const { made, expiresAt } = jwt(600);
    const { value = '' } = sessionOf(await tryKey({ key: made })) ?? {};
    expect((await signedIn(broker.url, value)).json).toEqual({ caller: 'ops', roles: ['ops'], expires_at: expiresAt });
  });

  it('that no browser would keep in a cookie is refused in words', async () => {
    const answer = await tryKey({ key: jwt(600, { groups: 'g'.repeat(3_000) }).made });
    expectProblem(answer, 400, 'invalid_request', ['key']);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });
});

describe('a session ends', () => {
  const expectEnded = (answer: Answer) => {
    expectProblem(answer, 401, 'unauthenticated');
    expect(sessionOf(answer)).toMatchObject({ value: '', attributes: expect.arrayContaining(['Max-Age=0', 'Path=/']) });
  };

  it('at its time', async () => {
    const at = async (endsAtMs: number) =>
      withSession('GET', '/v1/tokens', await sealedSession(vaultKeys, { key: key('ops'), endsAtMs }));
    expect((await at(Date.now() + 10_000)).status).toBe(200);
    expectEnded(await at(Date.now() - 1));
  });

  it('at the latest with its key, which may not last as long', async () => {
    await broker.addCaller('short', ['ops']);
    const { json } = await broker.admin('POST', '/v1/callers/short/keys', { expires_in: 2 });
    const answer = await tryKey({ key: json['key'] });
    const { value = '' } = sessionOf(answer) ?? {};
    expect((await signedIn(broker.url, value)).json['expires_at']).toBe(json['expires_at']);
    const last = await eventually(async () => {
      const seen = await signedIn(broker.url, value);
      return seen.status === 200 ? undefined : seen;
    });
    expectEnded(last);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(String(json['expires_at'])));
  });

  it.each<[string, (id: string) => Promise<Answer>]>([
    ['its key is revoked', (id) => broker.admin('DELETE', `/v1/callers/leaver/keys/${id}`)],
    ['its caller is deleted', () => broker.admin('DELETE', '/v1/callers/leaver')],
    [
      'its caller may watch no longer',
      () => broker.admin('PATCH', '/v1/callers/leaver', { roles: ['token', 'admin'] }),
    ],
  ])('at once when %s', async (_, act) => {
    const its = await broker.addCaller('leaver', ['ops']);
    const { value = '' } = sessionOf(await tryKey({ key: its })) ?? {};
    expect((await withSession('GET', '/v1/tokens', value)).status).toBe(200);
    expect((await act(its.slice(4, 16))).status).toBeLessThan(300);
    for (const path of ['/v1/tokens', '/dashboard/session', '/v1/clients']) {
      expectEnded(await withSession('GET', path, value));
    }
  });

  it('with the master key that it was sealed under, and not before that has left the ring', async () => {
    const at = aFolder();
    const [old, next] = [KeyRing.generate('old'), KeyRing.generate('next')];
    const first = await RunningBroker.start(sandbox, { VAULT_KEYS: old }, at);
    const value = await signIn(first.url, first.adminKey);
    await first.process.stop();
    const same = { ADMIN_KEY: first.adminKey };
    const second = await RunningBroker.start(sandbox, { ...same, VAULT_KEYS: `${next},${old}` }, at);
    expect((await signedIn(second.url, value)).status).toBe(200);
    await second.process.stop();
    const third = await RunningBroker.start(sandbox, { ...same, VAULT_KEYS: next }, at);
    expectEnded(await signedIn(third.url, value));
    expect(third.process.output()).not.toContain('internal_error');
    await third.process.stop();
  });

  it.each<[string, () => Promise<string> | string]>([
    ['nothing', () => ''],
    ['garbage', () => 'garbage'],
    ['five empty parts', () => '....'],
    ['a broken escape', () => '%E0%A4%A'],
    ['quotes', () => '"x"'],
    ['as much as a header may hold', () => 'x'.repeat(8_000)],
    ['many dots', () => '.'.repeat(8_000)],
    ['the key itself', () => key('ops')],
    ['a foreign session', () => sealedSession(KeyRing.generate('test'), { key: key('ops'), endsAtMs: Infinity })],
    ['one of a key that is not in the ring', () => sealedSession(KeyRing.generate('gone'), { key: key('ops') })],
    ['what was sealed for the vault', () => sealedSession(vaultKeys, { key: key('ops') }, { purpose: 'vault' })],
    ['a header that is no header', () => `${Buffer.from('[]').toString('base64url')}.a.b.c.d`],
    ['one with a bit changed', async () => `A${(await aSession('ops')).slice(1)}`],
    ['one with another end', async () => `${await aSession('ops')}A`],
  ])('or never was: %s', async (_, make) => {
    const value = await make();
    expectEnded(await withSession('GET', '/v1/tokens', value));
    expectEnded(await withSession('POST', '/v1/vault/rekey', value, {}, FROM_THE_PAGE));
  });

  it('or never was: other cookies are nobody’s business', async () => {
    for (const other of [
      'theme=dark',
      'token_broker_session2=x',
      '__proto__=x; constructor=y',
      ';;;=',
      '='.repeat(4_000),
    ]) {
      const answer = await call('GET', `${broker.url}/v1/tokens`, { headers: { cookie: other } });
      expectProblem(answer, 401, 'unauthenticated');
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
    const value = await aSession('ops');
    const among = await call('GET', `${broker.url}/v1/tokens`, {
      headers: { cookie: `theme=dark; token_broker_session=${value}; x=%zz` },
    });
    expect(among.status).toBe(200);
  });
});

describe('with a session', () => {
  it('nothing is changed without the header that only the page sends', async () => {
    const value = await aSession('ops-admin');
    const patch = (headers: Record<string, string>) =>
      withSession('PATCH', '/v1/clients/acme', value, { enabled: true }, headers);
    for (const headers of [{}, { 'x-token-broker': '' }, { 'x-token-broker': 'Dashboard' }]) {
      expectProblem(await patch(headers), 403, 'forbidden');
    }
    expect((await patch(FROM_THE_PAGE)).status).toBe(200);
    expect(trail('client.enabled').at(-1)).toMatchObject({ by: 'ops-admin', subject: 'acme' });
  });

  it('a role that its caller lacks is lacking', async () => {
    const value = await aSession('ops');
    expectProblem(await withSession('GET', '/v1/clients', value), 403, 'forbidden');
    expectProblem(
      await withSession('PATCH', '/v1/clients/acme', value, { enabled: false }, FROM_THE_PAGE),
      403,
      'forbidden',
    );
  });

  it('no token is given, whatever its caller may', async () => {
    const value = await aSession('token-ops');
    const body = { client: 'acme', merchant_vat };
    expectProblem(await withSession('POST', '/v1/tokens', value, body, FROM_THE_PAGE), 401, 'unauthenticated');
    for (const path of ['/connect/token', '/integrator-authentication/connect/token']) {
      const { status, json } = await call('POST', `${broker.url}${path}`, {
        headers: { ...cookie(value), ...FROM_THE_PAGE },
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'acme' }),
      });
      expect([status, json['error']]).toEqual([401, 'invalid_client']);
    }
    const invalidation = { ...body, token_id: 'A'.repeat(16) };
    expectProblem(
      await withSession('POST', '/v1/tokens/invalidate', value, invalidation, FROM_THE_PAGE),
      403,
      'forbidden',
    );
  });

  it('a key in Authorization counts, right or wrong', async () => {
    const value = await aSession('ops-admin');
    const wrong = await withSession('GET', '/v1/clients', value, undefined, bearer('tbk_wrong'));
    expectProblem(wrong, 401, 'unauthenticated');
    expect(wrong.headers.get('set-cookie')).toBeNull();
    expectProblem(await withSession('GET', '/v1/clients', value, undefined, bearer(key('ops'))), 403, 'forbidden');
  });
});

describe('a token is invalidated', () => {
  const given = async () =>
    String((await broker.token(key('token'), { client: 'acme', merchant_vat })).json['token_id']);

  it('by an admin who is signed in, without any grant, and the trail says so', async () => {
    const value = await aSession('ops-admin');
    await broker.admin('PATCH', '/v1/callers/ops-admin', { grants: [] });
    const token_id = await given();
    const invalidate = (body: object) =>
      withSession('POST', '/v1/tokens/invalidate', value, { client: 'acme', merchant_vat, ...body }, FROM_THE_PAGE);
    const line = { by: 'ops-admin', subject: 'acme', merchant_vat, address: '127.0.0.1' };
    expect((await invalidate({ token_id: 'A'.repeat(16) })).json).toEqual({ invalidated: false });
    expect(trail('token.invalidated').at(-1)).toMatchObject({ ...line, token_id: null, invalidated: false });
    expect((await invalidate({ token_id })).json).toEqual({ invalidated: true });
    expect(trail('token.invalidated').at(-1)).toMatchObject({ ...line, token_id, invalidated: true });
    expect(await given()).not.toBe(token_id);
    expectProblem(await invalidate({ client: 'nowhere', token_id }), 404, 'not_found');
    expectProblem(await withSession('POST', '/v1/tokens/invalidate', value, { token_id }), 403, 'forbidden');
  });

  it('by a service within its grants, as before', async () => {
    const narrow = await broker.addCaller('narrow', ['token'], [{ client: 'acme', merchants: ['FI*'] }]);
    const lines = trail('token.invalidated').length;
    const token_id = 'A'.repeat(16);
    expectProblem(await broker.invalidate(narrow, { client: 'acme', merchant_vat, token_id }), 403, 'forbidden');
    const own = await broker.invalidate(narrow, { client: 'acme', merchant_vat: 'FI12345678', token_id });
    expect([own.status, own.json]).toEqual([200, { invalidated: false }]);
    expect(trail('token.invalidated')).toHaveLength(lines);
  });
});

it('every replica takes a session, and none does within a second of its key’s end', async () => {
  const redis = await RunningRedis.start();
  const shared = { VAULT_KEYS: vaultKeys, VAULT_STORE: 'redis', REDIS_URL: redis.url };
  const first = await RunningBroker.start(sandbox, shared);
  const second = await RunningBroker.start(sandbox, { ...shared, ADMIN_KEY: first.adminKey });
  const its = await first.addCaller('anna', ['ops']);
  await eventually(
    async () => (await call('GET', `${second.url}/v1/tokens`, { headers: bearer(its) })).status === 200 || undefined,
  );
  const value = await signIn(first.url, its);
  for (const { url } of [first, second]) expect((await signedIn(url, value)).status).toBe(200);
  await first.admin('DELETE', `/v1/callers/anna/keys/${its.slice(4, 16)}`);
  expect((await signedIn(first.url, value)).status).toBe(401);
  await eventually(async () => (await signedIn(second.url, value)).status === 401 || undefined, 1_000);
  await Promise.all([first.process.stop(), second.process.stop()]);
  await redis.stop('SIGKILL');
});

it('neither a key nor a cookie stands in any answer, in the log, or in the trail', async () => {
  expect(await broker.process.stop()).toBe(0);
  const output = broker.process.output();
  const audit = readFileSync(join(folder, 'data/audit.jsonl'), 'utf8');
  expect(audit).toContain('session.opened');
  expect(watch.count).toBeGreaterThan(80);
  expect([watch.told(), watch.canaries.in(output), watch.canaries.in(audit)]).toEqual([[], [], []]);
  expect(watch.canaries.inFiles(folder)).toEqual([]);
  expect(output).not.toContain('internal_error');
  expect(output + audit).not.toContain('token_broker_session=');
});
