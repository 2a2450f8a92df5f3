import { ROLES, type Role } from '#vault';

import { RunningBroker } from '../support/broker.js';
import { type Answer, basic, bearer, call, callJson } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { expectProblem } from '../support/problems.js';
import { rawRequest } from '../support/raw-http.js';
import { allRoutes } from '../support/routes.js';
import { RunningSandbox } from '../support/sandbox.js';

/** Whom each route serves. A route that is not here fails the suite: whoever adds one says it once more. */
const SERVES: Readonly<Record<string, Role | 'token or admin' | 'everybody' | 'OAuth clients with the role token'>> = {
  'POST /v1/tokens': 'token',
  'POST /v1/tokens/invalidate': 'token or admin',
  'POST /connect/token': 'OAuth clients with the role token',
  'POST /integrator-authentication/connect/token': 'OAuth clients with the role token',
  'GET /v1/tokens': 'ops',
  'GET /v1/tokens/explain': 'ops',
  'GET /v1/status': 'ops',
  'GET /v1/status/stream': 'ops',
  'GET /health': 'ops',
  'GET /metrics': 'ops',
  'GET /dashboard/session': 'ops',
  'GET /v1/clients': 'admin',
  'GET /v1/clients/:name': 'admin',
  'PUT /v1/clients/:name': 'admin',
  'PATCH /v1/clients/:name': 'admin',
  'DELETE /v1/clients/:name': 'admin',
  'POST /v1/clients/import': 'admin',
  'POST /v1/clients/:name/secrets': 'admin',
  'DELETE /v1/clients/:name/secrets/:fingerprint': 'admin',
  'POST /v1/clients/:name/test': 'admin',
  'GET /v1/callers': 'admin',
  'GET /v1/callers/:name': 'admin',
  'GET /v1/callers/:name/can': 'admin',
  'PUT /v1/callers/:name': 'admin',
  'PATCH /v1/callers/:name': 'admin',
  'DELETE /v1/callers/:name': 'admin',
  'POST /v1/callers/:name/keys': 'admin',
  'DELETE /v1/callers/:name/keys/:id': 'admin',
  'POST /v1/vault/rekey': 'admin',
  'GET /v1/vault/backup': 'admin',
  'POST /v1/vault/restore': 'admin',
  'GET /health/live': 'everybody',
  'GET /health/ready': 'everybody',
  'GET /openapi.json': 'everybody',
  'GET /docs': 'everybody',
  'GET /dashboard': 'everybody',
  'GET /dashboard/*': 'everybody',
  'POST /dashboard/session': 'everybody',
  'DELETE /dashboard/session': 'everybody',
};

/** What those for everybody answer to what is sent here, if not 200. */
const ANSWERS: Readonly<Record<string, number>> = {
  'GET /dashboard/*': 404,
  'POST /dashboard/session': 400,
  'DELETE /dashboard/session': 204,
};

const routes = await allRoutes();
const guarded = routes.filter(({ name }) => SERVES[name] !== 'everybody' && SERVES[name] !== undefined);

const keys = new Map<string, string>();
let broker: RunningBroker;

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start());
  await broker.addClient('acme');
  const grants = [{ client: '*', merchants: ['*'], unrestricted: true }];
  for (const role of ROLES) keys.set(role, await broker.addCaller(`only-${role}`, [role], grants));
  keys.set('nothing', await broker.addCaller('nothing', [], grants));
  for (const role of ROLES) {
    for (const state of ['expired', 'revoked', 'deleted']) {
      const name = `${state}-${role}`;
      await broker.addCaller(name, [role], grants);
      const made = await broker.admin('POST', `/v1/callers/${name}/keys`, state === 'expired' ? { expires_in: 1 } : {});
      keys.set(name, String(made.json['key']));
      if (state === 'revoked') await broker.admin('DELETE', `/v1/callers/${name}/keys/${String(made.json['id'])}`);
      if (state === 'deleted') await broker.admin('DELETE', `/v1/callers/${name}`);
    }
  }
  for (const role of ROLES) {
    const ofExpired = async () => (await broker.token(keys.get(`expired-${role}`)!, WARM)).status;
    await eventually(async () => (await ofExpired()) === 401 || undefined);
  }
  // Now it is in memory, where whoever may have it finds it.
  expect(await broker.token(keys.get('token')!, WARM)).toMatchObject({ status: 200 });
});

it('every route has an entry, and says the same of itself', () => {
  const declared = routes.map(({ name, access }) => [
    name,
    access?.kind === 'open'
      ? 'everybody'
      : access?.kind === 'oauth'
        ? `OAuth clients with the role ${access.roles.join(' or ')}`
        : access?.roles.join(' or '),
  ]);
  expect(Object.fromEntries(declared)).toEqual(SERVES);
});

/** Those that answer from memory, before Nest has seen the request, over a connection that stays open. */
const QUICK = new Set(['/v1/tokens', '/connect/token', '/integrator-authentication/connect/token']);
const WARM = { client: 'acme', merchant_vat: 'DK12345678' };

/** Sends what harms nothing, whoever is let in. */
function send(method: string, path: string, headers: Record<string, string>): Promise<Answer> {
  if (method === 'POST' && QUICK.has(path)) {
    const form = new URLSearchParams(BODY['application/x-www-form-urlencoded']);
    return path === '/v1/tokens'
      ? callJson(method, `${broker.url}${path}`, WARM, headers)
      : call(method, `${broker.url}${path}`, { headers, body: form });
  }
  const at = path.replace(':name', 'nobody').replace(':fingerprint', '0'.repeat(16)).replace(':id', '0'.repeat(12));
  const hasBody = method !== 'GET' && method !== 'DELETE';
  // It would not end by itself.
  if (path.endsWith('/stream')) return beginning(`${broker.url}${path}`, headers);
  const type = path.endsWith('connect/token') ? 'application/x-www-form-urlencoded' : 'application/json';
  return rawRequest(
    method,
    broker.url,
    at,
    { ...headers, ...(hasBody && { 'content-type': type }) },
    hasBody ? BODY[type] : undefined,
  );
}

/** An answer without its body, if that is a stream. */
async function beginning(url: string, headers: Record<string, string>): Promise<Answer> {
  const response = await fetch(url, { headers });
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const text = isStream ? '' : await response.text();
  if (isStream) await response.body?.cancel();
  const json = text === '' ? {} : (JSON.parse(text) as Answer['json']);
  return { status: response.status, headers: response.headers, text, json };
}

const BODY: Readonly<Record<string, string>> = {
  'application/json': '{}',
  'application/x-www-form-urlencoded': 'grant_type=client_credentials&merchant_vat=DK12345678',
};

describe.each(guarded)('$name', ({ name, method, path, access }) => {
  const serves = SERVES[name]!;
  const isOAuth = access?.kind === 'oauth';
  const roles: readonly Role[] = isOAuth ? ['token'] : (serves.split(' or ') as Role[]);
  const as = (key: string) => send(method, path, isOAuth ? basic('acme', key) : bearer(key));
  /** In the words of either kind of route. */
  const expectRefused = (answer: Answer, status: number) => {
    if (!isOAuth) {
      expectProblem(answer, status, status === 401 ? 'unauthenticated' : 'forbidden');
    } else {
      const error = status === 401 ? 'invalid_client' : 'unauthorized_client';
      expect([answer.status, answer.json['error']]).toEqual([status === 401 ? 401 : 400, error]);
    }
    expect(answer.headers.get('www-authenticate') ?? '').toMatch(
      status !== 401 ? /^$/ : isOAuth ? /^Basic / : /^Bearer /,
    );
  };

  it('is closed without credentials', async () => {
    expectRefused(await send(method, path, {}), 401);
  });

  it.each(['tbk_wrong', `tbk_${'0'.repeat(12)}${'A'.repeat(43)}${'0'.repeat(8)}`, 'eyJhbGciOiJub25lIn0.e30.', 'wrong'])(
    'is closed to the wrong credentials %s',
    async (wrong) => {
      expectRefused(await as(wrong), 401);
    },
  );

  it.each(['expired', 'revoked', 'deleted'])(
    'is closed to a key that is %s, whatever it was good for',
    async (state) => {
      for (const each of ROLES) expectRefused(await as(keys.get(`${state}-${each}`)!), 401);
    },
  );

  it.each([...ROLES.filter((each) => !roles.includes(each)), 'nothing'])(
    'is closed to a caller with the role %s',
    async (other) => {
      expectRefused(await as(keys.get(other)!), 403);
    },
  );

  it.each([...roles])('is open to a caller with the role %s', async (role) => {
    const { status } = await as(keys.get(role)!);
    const isQuick = method === 'POST' && QUICK.has(path);
    expect(isQuick ? [200] : [200, 201, 204, 400, 404, 415]).toContain(status);
  });
});

describe.each(routes.filter(({ name }) => SERVES[name] === 'everybody'))('$name', ({ name, method, path }) => {
  it.each(['none', ...ROLES, 'nothing', 'expired-token'])('is open to everybody: %s', async (who) => {
    const key = keys.get(who);
    expect((await send(method, path, key === undefined ? {} : bearer(key))).status).toBe(ANSWERS[name] ?? 200);
  });
});
