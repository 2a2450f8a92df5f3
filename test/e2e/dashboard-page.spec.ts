import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { bearer, call } from '../support/http.js';
import { RunningNginx } from '../support/nginx.js';
import { expectProblem } from '../support/problems.js';
import { root, start } from '../support/processes.js';
import { rawExchange, rawRequest } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';
import { cookie, FROM_THE_PAGE, sessionOf, signedIn, signIn } from '../support/session.js';

const built = readdirSync(join(root, 'dist/apps/dashboard')).filter((name) => name !== 'index.html');
const FOR_EVER = 'public, max-age=31536000, immutable';
let broker: RunningBroker;

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start());
});

const get = (path: string, headers: Record<string, string> = {}) => rawRequest('GET', broker.url, path, headers);

it('the page is served to everybody, refers to files of its own alone, and may do little', async () => {
  const { status, headers, text } = await call('GET', `${broker.url}/dashboard`);
  expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  expect(headers.get('cache-control')).toBe('no-cache');
  expect(headers.get('content-security-policy')).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
      "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  );
  expect([headers.get('x-frame-options'), headers.get('x-content-type-options')]).toEqual(['DENY', 'nosniff']);
  const references = [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, to]) => to!).filter((to) => to !== 'data:,');
  expect(references.toSorted()).toEqual(built.map((name) => `dashboard/${name}`).toSorted());
});

it.each(built)('%s is kept by browsers for ever, and named by what it holds', async (name) => {
  const { status, headers, text } = await get(`/dashboard/${name}`);
  expect([status, headers.get('cache-control')]).toEqual([200, FOR_EVER]);
  expect(headers.get('content-type')).toBe(
    name.endsWith('.js') ? 'text/javascript; charset=utf-8' : 'text/css; charset=utf-8',
  );
  expect(text).toBe(readFileSync(join(root, 'dist/apps/dashboard', name), 'utf8'));
  expect(name).toMatch(/-[A-Z0-9]{8}\.\w+$/);
});

it.each(['/dashboard', `/dashboard/${built.find((name) => name.endsWith('.js'))}`])(
  '%s is not sent to whoever has it, and HEAD tells what GET would',
  async (path) => {
    const full = await get(path);
    const etag = full.headers.get('etag')!;
    for (const known of [etag, `"other", ${etag}`, etag.slice('W/'.length), '*']) {
      const { status, headers, text } = await get(path, { 'if-none-match': known });
      expect([status, text, headers.get('etag')]).toEqual([304, '', etag]);
      expect(headers.get('cache-control')).toBe(full.headers.get('cache-control'));
    }
    expect((await get(path, { 'if-none-match': '"other"' })).status).toBe(200);
    const head = await rawRequest('HEAD', broker.url, path);
    const named = ['etag', 'content-type', 'content-length', 'cache-control', 'content-security-policy', 'vary'];
    expect([head.status, head.text]).toEqual([200, '']);
    expect(named.map((name) => head.headers.get(name))).toEqual(named.map((name) => full.headers.get(name)));
  },
);

it('what can be compressed is, for whoever takes that', async () => {
  const path = `/dashboard/${built.find((name) => name.endsWith('.js'))}`;
  const { text } = await get(path);
  const compressed = (accepted: string) =>
    rawExchange(
      broker.url,
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept-encoding: ${accepted}\r\n\r\n`,
    );
  for (const accepted of ['gzip', 'br, GZIP;q=0.5', 'deflate, gzip']) {
    const [head = '', ...body] = (await compressed(accepted)).split('\r\n\r\n');
    expect(head).toMatch(/content-encoding: gzip/i);
    expect(head).toMatch(/vary: accept-encoding/i);
    expect(gunzipSync(Buffer.from(body.join('\r\n\r\n'), 'latin1')).toString()).toBe(text);
  }
  for (const accepted of ['br', 'gzip;q=0', 'gzip; q=0.0', 'xgzip']) {
    expect(await compressed(accepted)).not.toMatch(/content-encoding/i);
  }
});

it.each([
  '/dashboard/index.html',
  '/dashboard/main.js',
  '/dashboard/..%2findex.html',
  '/dashboard/..%2f..%2f..%2fpackage.json',
  '/dashboard/%2e%2e%2fbroker%2fsrc%2fmain.js',
  '/dashboard/../../package.json',
  '/dashboard/__proto__',
  '/dashboard/constructor',
  '/dashboard/a/b',
])('%s is nothing', async (path) => {
  const answer = await get(path);
  expectProblem(answer, 404, 'not_found');
  expect(answer.headers.get('cache-control')).toBe('no-store');
});

it('with a slash behind it, the page is where it is without', async () => {
  const { status, headers } = await get('/dashboard/');
  expect([status, headers.get('location')]).toEqual([308, '../dashboard']);
});

it('all of it works behind a path of a proxy', async () => {
  const nginx = await RunningNginx.start(broker.url, '/some/prefix/', { 'X-Forwarded-Proto': 'https' });
  const page = await call('GET', `${nginx.url}/dashboard`);
  expect(page.status).toBe(200);
  for (const [, to = ''] of page.text.matchAll(/(?:src|href)="(dashboard\/[^"]*)"/g)) {
    const file = await call('GET', new URL(to, `${nginx.url}/dashboard`).href);
    expect([file.status, file.headers.get('cache-control')]).toEqual([200, FOR_EVER]);
  }
  const slash = await call('GET', `${nginx.url}/dashboard/`);
  expect(new URL(slash.headers.get('location')!, `${nginx.url}/dashboard/`).href).toBe(`${nginx.url}/dashboard`);

  const session = await signIn(nginx.url, broker.adminKey);
  expect(await signedIn(nginx.url, session)).toMatchObject({ status: 200, json: { caller: '@admin' } });
  const out = await call('DELETE', `${nginx.url}/dashboard/session`, {
    headers: { ...cookie(session), ...FROM_THE_PAGE },
  });
  expect([out.status, sessionOf(out)]).toEqual([
    204,
    { value: '', attributes: ['Max-Age=0', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict'] },
  ]);
  await nginx.stop();
});

it('a broker whose dashboard was not built serves all the rest', async () => {
  const folder = aFolder();
  const app = join(folder, 'apps/broker');
  mkdirSync(app, { recursive: true });
  cpSync(join(root, 'dist/apps/broker'), app, { recursive: true });
  const upstream = 'http://127.0.0.1:9/integrator-authentication';
  const process = await start(relative(join(root, 'dist/apps'), app), {
    PORT: '0',
    ADMIN_KEY: broker.adminKey,
    UPSTREAM_SANDBOX_URL: upstream,
    UPSTREAM_PRODUCTION_URL: upstream,
    LOG_FORMAT: 'json',
  });
  const answer = await call('GET', `${process.url}/dashboard`);
  expectProblem(answer, 404, 'not_found');
  expect(answer.json['detail']).toContain('npm run build');
  expectProblem(await call('GET', `${process.url}/dashboard/${built[0]}`), 404, 'not_found');
  expect(process.output()).toContain('"event":"dashboard_not_built","reason":"ENOENT"');
  expect((await call('GET', `${process.url}/v1/clients`, { headers: bearer(broker.adminKey) })).status).toBe(200);
});
