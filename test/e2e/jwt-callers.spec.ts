import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { badJwts, JWT_CANARY } from '../support/bad-jwts.js';
import { RunningBroker } from '../support/broker.js';
import { Canaries } from '../support/canaries.js';
import { aCertificate } from '../support/certificates.js';
import { aFolder } from '../support/folder.js';
import { type Answer, bearer, call, callForm, callJson } from '../support/http.js';
import { aSigningKey, RunningIssuer, signed } from '../support/jwt-issuer.js';
import { expectProblem } from '../support/problems.js';
import { eventually, runToEnd } from '../support/processes.js';
import { RunningSandbox } from '../support/sandbox.js';

const merchant_vat = 'DK12345678';
const TILL = { caller: 'till', subject: 'system:serviceaccount:shops:till' };
const certificate = aCertificate();
const cwd = aFolder();
const tokenFile = join(aFolder(), 'token');
const caFile = join(aFolder(), 'ca.crt');

let sandbox: RunningSandbox;
let broker: RunningBroker;
/** Of a cluster; with its own authority and wanting a token; failing; gone at the start; to be flooded. */
let cluster: RunningIssuer;
let guarded: RunningIssuer;
let failing: RunningIssuer;
let late: RunningIssuer;
let flooded: RunningIssuer;
/** Every JWT that was sent. */
const sent = new Set<string>();

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  cluster = await RunningIssuer.start('https://kubernetes.default.svc.cluster.local');
  guarded = await RunningIssuer.start(undefined, certificate);
  [failing, late, flooded] = [await RunningIssuer.start(), await RunningIssuer.start(), await RunningIssuer.start()];
  failing.fault = (response) => response.writeHead(500).end();
  guarded.wantedToken = 'first-token-of-the-broker';
  writeFileSync(tokenFile, `${guarded.wantedToken}\n`);
  writeFileSync(caFile, certificate.cert);
  await late.stop();
  const rules = [
    { caller: 'reports', subject: 'system:serviceaccount:*', claims: { '/groups': 'reports' } },
    { caller: 'ops', subject: 'system:serviceaccount:ops:*', claims: { '/kubernetes.io/namespace': 'ops' } },
    { caller: 'leaver', subject: 'system:serviceaccount:shops:leaver' },
    TILL,
  ];
  const issuers = [
    cluster.settings(rules),
    guarded.settings([TILL], { jwks_ca_file: caFile, jwks_token_file: tokenFile }),
    ...[failing, late, flooded].map((issuer) => issuer.settings([TILL])),
  ];
  const file = join(aFolder(), 'issuers.json');
  writeFileSync(file, JSON.stringify(issuers));
  broker = await RunningBroker.start(sandbox, { CALLER_JWT_ISSUERS_FILE: file, LOG_LEVEL: 'trace' }, cwd);
  await broker.addClient('acme');
  for (const name of ['till', 'reports', 'leaver']) {
    await broker.addCaller(name, ['token'], [{ client: 'acme', merchants: [merchant_vat] }]);
  }
  await broker.addCaller('ops', ['ops']);
});

function ask(jwt: string, vat = merchant_vat): Promise<Answer> {
  sent.add(jwt);
  return broker.token(jwt, { client: 'acme', merchant_vat: vat });
}

function askOAuth(jwt: string): Promise<Answer> {
  sent.add(jwt);
  const form = { grant_type: 'client_credentials', client_id: 'acme', client_secret: jwt, merchant_vat };
  return callForm(`${broker.url}/connect/token`, form);
}

function expectNoneOf(jwt: string, { text, headers }: Answer): void {
  const said = text + JSON.stringify([...headers]);
  for (const part of [JWT_CANARY, ...jwt.split('.')].filter(({ length }) => length > 20)) {
    expect(said).not.toContain(part);
  }
}

describe('a service account’s token', () => {
  it('gets tokens by its caller’s grants, as a bearer and as a client secret', async () => {
    const jwt = cluster.token();
    expect(await ask(jwt)).toMatchObject({ status: 200, json: { token_type: 'Bearer', client: 'acme' } });
    expect(await askOAuth(jwt)).toMatchObject({ status: 200, json: { token_type: 'Bearer' } });
    expect(await broker.oauth('acme', jwt, { merchant_vat })).toMatchObject({ status: 200 });
    expectProblem(await ask(jwt, 'DK87654321'), 403, 'forbidden');
    expectProblem(await call('GET', `${broker.url}/v1/tokens`, { headers: bearer(jwt) }), 403, 'forbidden');
  });

  it('stands for a caller by its subject and claims; the first rule that matches counts', async () => {
    const state = (jwt: string) => call('GET', `${broker.url}/v1/tokens`, { headers: bearer(jwt) });
    const ops = { sub: 'system:serviceaccount:ops:dashboard', 'kubernetes.io': { namespace: 'ops' } };
    expect(await state(cluster.token(ops))).toMatchObject({ status: 200 });
    expect(await state(cluster.token({ ...ops, groups: ['x', 'reports'] }))).toMatchObject({ status: 403 });
    expectProblem(await state(cluster.token({ ...ops, 'kubernetes.io': {} })), 401, 'unauthenticated');
    expectProblem(await ask(cluster.token({ sub: `${TILL.subject}2` })), 401, 'unauthenticated');
  });

  it('counts for 30 s more on either side', async () => {
    const now = Math.floor(Date.now() / 1_000);
    for (const [claims, status] of [
      [{ exp: now - 25 }, 200],
      [{ exp: now - 35 }, 401],
      [{ nbf: now + 25, iat: now + 25 }, 200],
      [{ nbf: now + 40 }, 401],
      [{ iat: now + 40 }, 401],
    ] as const) {
      expect(await ask(cluster.token(claims))).toMatchObject({ status });
    }
  });

  it('is of no more use once its caller is deleted', async () => {
    const jwt = cluster.token({ sub: 'system:serviceaccount:shops:leaver' });
    for (let i = 0; i < 3; i += 1) expect(await ask(jwt)).toMatchObject({ status: 200 });
    await callJson('DELETE', `${broker.url}/v1/callers/leaver`, {}, bearer(broker.adminKey));
    expectProblem(await ask(jwt), 401, 'unauthenticated');
    expect(await askOAuth(jwt)).toMatchObject({ status: 401, json: { error: 'invalid_client' } });
  });
});

describe('a JWT that nobody may believe', () => {
  it('is refused, whatever is wrong with it, and not repeated', async () => {
    for (const [, jwt] of badJwts(cluster)) {
      const answer = await ask(jwt);
      expectProblem(answer, 401, 'unauthenticated');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
      const oauth = await askOAuth(jwt);
      expect(oauth).toMatchObject({ status: 401, json: { error: 'invalid_client' } });
      for (const each of [answer, oauth]) expectNoneOf(jwt, each);
    }
    expect(await ask(cluster.token())).toMatchObject({ status: 200 });
  }, 20_000);

  it('may be 100 KB long', async () => {
    const jwt = cluster.token({ filler: 'x'.repeat(75_000) });
    const answers = [await ask(jwt), await askOAuth(jwt)];
    expect(answers[0]?.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    for (const answer of answers) {
      expect([400, 401, 413, 431]).toContain(answer.status);
      expectNoneOf(jwt, answer);
    }
    // As long as a body may be.
    expect(await askOAuth(cluster.token({ filler: 'x'.repeat(45_000) }))).toMatchObject({ status: 401 });
  });
});

describe('made-up keys', () => {
  const flood = (issuer: RunningIssuer) =>
    Promise.all(
      Array.from({ length: 200 }, () => ask(signed({ alg: 'RS256', kid: randomUUID() }, issuer.claims(), stranger))),
    );
  const stranger = aSigningKey();

  it('have the issuer asked once, however many they are', async () => {
    const before = flooded.fetches;
    for (let i = 0; i < 2; i += 1) {
      expect(new Set((await flood(flooded)).map(({ status }) => status))).toEqual(new Set([401]));
    }
    expect(flooded.fetches - before).toBeLessThanOrEqual(1);
    expect(await ask(flooded.token())).toMatchObject({ status: 200 });
  });

  it('have it asked hardly more often while it fails', async () => {
    const before = failing.fetches;
    for (let i = 0; i < 2; i += 1) {
      expect(new Set((await flood(failing)).map(({ status }) => status))).toEqual(new Set([401]));
    }
    expect(failing.fetches - before).toBeLessThanOrEqual(2);
  });
});

describe('the keys of an issuer', () => {
  it('go on counting while it is away, and new ones count once it is back', async () => {
    const old = guarded.token();
    expect(await ask(old)).toMatchObject({ status: 200 });
    await guarded.stop();
    expect(await ask(old)).toMatchObject({ status: 200 });
    expect(await ask(guarded.token())).toMatchObject({ status: 200 });
    guarded.rotate();
    // The token that is shown to the issuer is replaced in its file, as Kubernetes does.
    guarded.wantedToken = 'second-token-of-the-broker';
    writeFileSync(tokenFile, guarded.wantedToken);
    expectProblem(await ask(guarded.token()), 401, 'unauthenticated');
    await guarded.start();
    const accepted = async () => (await ask(guarded.token())).status === 200 || undefined;
    await eventually(accepted, 15_000);
    expectProblem(await ask(old), 401, 'unauthenticated');
  }, 20_000);

  it('need not be there at the start', async () => {
    expectProblem(await ask(late.token()), 401, 'unauthenticated');
    await late.start();
    const accepted = async () => (await ask(late.token())).status === 200 || undefined;
    await eventually(accepted, 45_000);
    const warnings = broker.process.output().match(/.*"jwks_unreachable".*/g) ?? [];
    expect(warnings.some((line) => line.includes(late.name) && line.includes('ECONNREFUSED'))).toBe(true);
    expect(warnings.some((line) => line.includes(failing.name) && line.includes('http_500'))).toBe(true);
  }, 50_000);
});

it('nothing of all those JWTs, nor of what the broker showed to an issuer, stands in its log or its audit trail', () => {
  const trail = readFileSync(join(cwd, 'data/audit.jsonl'), 'utf8');
  expect(trail).toContain('"caller":"till"');
  const output = broker.process.output() + trail;
  expect(sent.size).toBeGreaterThan(400);
  for (const jwt of sent) {
    for (const part of jwt.split('.').filter(({ length }) => length > 20)) {
      if (output.includes(part)) throw new Error(`the log holds a part of ${jwt}`);
    }
  }
  const canaries = new Canaries();
  canaries.add('a claim', JWT_CANARY);
  canaries.add('the first token', 'first-token-of-the-broker');
  canaries.add('the second token', 'second-token-of-the-broker');
  expect(canaries.in(output)).toEqual([]);
  expect(output).not.toContain('internal_error');
  expect(output).toContain('"jwt_refused"');
});

it('a file that is wrong ends the start with 78, and a line for each mistake', async () => {
  const file = join(aFolder(), 'issuers.json');
  writeFileSync(file, JSON.stringify([{ issuer: 'x', jwks_url: 'canary', callers: [{ caller: 'Canary' }] }]));
  const ended = await runToEnd('broker', { PORT: '0', CALLER_JWT_ISSUERS_FILE: file });
  expect(ended.code).toBe(78);
  const places = ['/0/audience', '/0/jwks_url', '/0/callers/0/caller', '/0/callers/0/subject'];
  expect(ended.output.trim().split('\n')).toEqual(
    places.map((place) => expect.stringMatching(new RegExp(`^setting CALLER_JWT_ISSUERS_FILE: ${place} must `))),
  );
  expect(ended.output).not.toMatch(/canary/i);
});
