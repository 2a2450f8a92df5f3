import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type SecureVersion } from 'node:tls';

import { type CertificateWish, minutesFromNow, TestAuthority } from '../support/certificates.js';
import { aFolder } from '../support/folder.js';
import { bearer } from '../support/http.js';
import { callTls } from '../support/https.js';
import { eventually } from '../support/processes.js';
import { expectProblem } from '../support/problems.js';
import { readAnswer } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';
import { TlsBroker } from '../support/tls-broker.js';

const TILL = 'spiffe://cluster/ns/shops/sa/till';
const grants = [{ client: 'acme', merchants: ['*'], unrestricted: false }];
const wanted = { client: 'acme', merchant_vat: 'DK12345678' };

let sandbox: RunningSandbox;
let tls: TlsBroker;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  tls = await TlsBroker.start(sandbox);
  await tls.addClient('acme');
});

const till = (wish: CertificateWish = { names: [`URI:${TILL}`] }, by = tls.clients) => by.issue(wish);
const put = (name: string, certificate_names: string[] | undefined, roles = ['token']) =>
  tls.admin('PUT', `/v1/callers/${name}`, { roles, grants, certificate_names });
const token = (options: object) => tls.call('POST', '/v1/tokens', options, wanted);
const inTheNameOf = async (names: string[]) => (await token(till({ names }))).status;

describe('a client certificate', () => {
  beforeAll(async () => {
    expect((await put('till', [`uri:${TILL}`, 'dns:till.shops.svc', 'email:till@shops.example'])).status).toBe(201);
  });

  it.each([
    ['URI', [`URI:${TILL}`]],
    ['DNS name', ['DNS:till.shops.svc']],
    ['DNS name in other letters', ['DNS:Till.Shops.SVC']],
    ['mail address', ['email:till@shops.example']],
    ['name among others', ['IP:10.0.0.1', 'DNS:other.example', `URI:${TILL}`, 'DNS:till.shops.svc']],
    ['name beside one in quotes', ['URI:spiffe://a,b', `URI:${TILL}`]],
  ])('speaks for the caller that has its %s', async (_, names) => {
    expect(await inTheNameOf(names)).toBe(200);
  });

  it('speaks over TLS 1.2 as well', async () => {
    expect((await token({ ...till(), maxVersion: 'TLSv1.2' })).status).toBe(200);
  });

  it('is not needed by probes, nor by who has a key', async () => {
    expect((await tls.call('GET', '/health/live')).status).toBe(200);
    expect((await tls.call('GET', '/health/ready')).status).toBe(200);
    expectProblem(await token({}), 401, 'unauthenticated');
  });

  it('gives no more than the caller’s roles and grants', async () => {
    expectProblem(await tls.call('GET', '/v1/clients', till()), 403, 'forbidden');
    const other = await tls.call('POST', '/v1/tokens', till(), { ...wanted, client: 'other' });
    expectProblem(other, 403, 'forbidden');
  });

  it.each<[string, () => object]>([
    ['of another authority', () => till(undefined, new TestAuthority('Clients'))],
    ['that ran out', () => till({ names: [`URI:${TILL}`], from: minutesFromNow(-60), to: minutesFromNow(-1) })],
    ['that is not good yet', () => till({ names: [`URI:${TILL}`], from: minutesFromNow(60) })],
    ['for servers only', () => till({ names: [`URI:${TILL}`], usage: 'serverAuth' })],
    ['without names, though its subject has one', () => till({})],
    ['with another name', () => till({ names: [`URI:${TILL}2`] })],
    ['with a name in other letters', () => till({ names: [`URI:${TILL.toUpperCase()}`] })],
    ['with the name as another kind', () => till({ names: ['email:till.shops.svc', 'DNS:till@shops.example'] })],
    ['with a wildcard', () => till({ names: ['DNS:*.shops.svc', 'URI:*'] })],
    ['with the name in a name', () => till({ names: [`URI:spiffe://x, URI:${TILL}, DNS:till.shops.svc, y`] })],
    ['with the name in quotes', () => till({ names: [`URI:"${TILL}"`, `URI:x", URI:${TILL}, "`] })],
  ])('is of no use: one %s', async (_, identity) => {
    expectProblem(await token(identity()), 401, 'unauthenticated');
    expect((await tls.call('GET', '/health/live', identity())).status).toBe(200);
  });

  it('counts less than a header, right or wrong', async () => {
    const identity = till();
    expectProblem(await token({ ...identity, headers: bearer('tbk_wrong') }), 401, 'unauthenticated');
    expectProblem(await token({ ...identity, headers: { authorization: '' } }), 401, 'unauthenticated');
    const asAdmin = { ...identity, headers: bearer(tls.broker.adminKey) };
    expect((await tls.call('GET', '/v1/clients', asAdmin)).status).toBe(200);
    expectProblem(await token(asAdmin), 403, 'forbidden');
  });

  it.each<SecureVersion>(['TLSv1.2', 'TLSv1.3'])(
    'speaks in a resumed session; one that began without gains nothing: %s',
    async (v) => {
      for (const [identity, status] of [
        [till(), 200],
        [{}, 401],
      ] as const) {
        const first = await exchange({ ...identity, maxVersion: v });
        const again = await exchange({ ...identity, maxVersion: v, session: first.session });
        expect([first.reused, again.reused]).toEqual([false, true]);
        expect([first.status, again.status]).toEqual([status, status]);
      }
    },
  );
});

/** Asks for a token on a connection of its own. */
async function exchange(options: ConnectionOptions) {
  const { hostname: host, port } = new URL(tls.url);
  const socket = connect({ host, port: Number(port), ca: tls.authority.cert, ...options });
  let [said, session] = ['', options.session];
  // In TLS 1.3, it comes with the first answer.
  socket.on('session', (given) => (session = given));
  socket.setEncoding('utf8').on('data', (text: string) => (said += text));
  const body = JSON.stringify(wanted);
  const headers = `Host: broker\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close`;
  socket.write(`POST /v1/tokens HTTP/1.1\r\n${headers}\r\n\r\n${body}`);
  await once(socket, 'end');
  return { status: readAnswer(said).status, session, reused: socket.isSessionReused() };
}

describe('on a connection that stays open, a certificate', () => {
  const agents: Agent[] = [];
  const connection = (identity: object) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agents.push(agent);
    return { ...identity, agent };
  };
  afterAll(() => agents.forEach((agent) => agent.destroy()));

  it('speaks for nobody from the moment that its name is taken away, or its caller deleted', async () => {
    const open = connection(till({ names: ['DNS:fleeting.shops.svc'] }));
    await put('fleeting', ['dns:fleeting.shops.svc']);
    expect((await token(open)).status).toBe(200);
    await tls.admin('PATCH', '/v1/callers/fleeting', { certificate_names: [] });
    expectProblem(await token(open), 401, 'unauthenticated');
    await tls.admin('PATCH', '/v1/callers/fleeting', { certificate_names: ['dns:fleeting.shops.svc'] });
    expect((await token(open)).status).toBe(200);
    await tls.admin('DELETE', '/v1/callers/fleeting');
    expectProblem(await token(open), 401, 'unauthenticated');
  });

  it('speaks no longer than it is good', async () => {
    await put('brief', ['dns:brief.shops.svc']);
    const to = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 3_000);
    const open = connection(till({ names: ['DNS:brief.shops.svc'], to }));
    expect((await token(open)).status).toBe(200);
    await eventually(async () => (await token(open)).status === 401 || undefined, 8_000);
    expect(Date.now()).toBeGreaterThanOrEqual(to.getTime());
  }, 15_000);
});

describe('certificate names', () => {
  it('are set by PUT, changed by PATCH, and shown', async () => {
    expect((await put('shown', ['dns:shown.example'])).json['certificate_names']).toEqual(['dns:shown.example']);
    const path = '/v1/callers/shown';
    const kept = await tls.admin('PATCH', path, { roles: ['token', 'ops'] });
    expect(kept.json).toMatchObject({ roles: ['token', 'ops'], certificate_names: ['dns:shown.example'] });
    await tls.admin('PATCH', path, { certificate_names: ['uri:urn:shown', 'dns:shown.example'] });
    const shown = await tls.admin('GET', path);
    expect(shown.json['certificate_names']).toEqual(['uri:urn:shown', 'dns:shown.example']);
    await tls.admin('POST', `${path}/keys`, {});
    expect((await tls.admin('GET', path)).json['certificate_names']).toHaveLength(2);
    expect((await put('shown', undefined)).json['certificate_names']).toEqual([]);
  });

  it('belong to one caller', async () => {
    await put('first', ['dns:contested.example', 'dns:first.example']);
    const second = await put('second', ['dns:second.example', 'dns:contested.example']);
    expectProblem(second, 409, 'conflict');
    expect(second.json['detail']).toContain('first');
    expect((await tls.admin('GET', '/v1/callers/second')).status).toBe(404);
    await put('second', ['dns:second.example']);
    const body = { certificate_names: ['dns:first.example'] };
    expectProblem(await tls.admin('PATCH', '/v1/callers/second', body), 409, 'conflict');
    expect((await put('first', ['dns:first.example'])).status).toBe(200);
    expect((await put('second', ['dns:contested.example'])).status).toBe(200);
  });

  it.each([
    ['dns:*.example'],
    ['dns:Upper.example'],
    ['dns:a.example, DNS:b.example'],
    ['ip:10.0.0.1'],
    ['uri:spiffe://a,b'],
    ['uri:no-scheme'],
    ['email:nobody'],
    ['till.shops.svc'],
    [`dns:${'a'.repeat(300)}`],
  ])('that are none are refused: %s', async (name) => {
    expectProblem(await put('wrong', [name]), 400, 'invalid_request', ['certificate_names']);
    const body = { certificate_names: [name] };
    expectProblem(await tls.admin('PATCH', '/v1/callers/till', body), 400, 'invalid_request', ['certificate_names']);
  });

  it('lead nowhere if a certificate has those of two callers', async () => {
    await put('one', ['dns:one.example']);
    await put('two', ['dns:two.example']);
    expect([await inTheNameOf(['DNS:one.example']), await inTheNameOf(['DNS:two.example'])]).toEqual([200, 200]);
    for (let i = 0; i < 3; i += 1) expect(await inTheNameOf(['DNS:one.example', 'DNS:two.example'])).toBe(401);
    expect(tls.output().match(/"event":"certificate_ambiguous","callers":\["one","two"\]/g)).toHaveLength(1);
  });

  it('come back with a backup', async () => {
    await put('kept', ['dns:kept.example']);
    expect(await tls.cli(['backup', 'vault.backup'])).toMatchObject({ code: 0 });
    await put('kept', []);
    expect(await inTheNameOf(['DNS:kept.example'])).toBe(401);
    expect(await tls.cli(['restore', 'vault.backup', '--yes'])).toMatchObject({ code: 0 });
    expect(await inTheNameOf(['DNS:kept.example'])).toBe(200);
  });
});

it('mounted files give names as well; one that two callers have speaks for nobody, and is logged once', async () => {
  const folder = aFolder();
  const write = (name: string, content: object) => writeFileSync(join(folder, `${name}.json`), JSON.stringify(content));
  await sandbox.register('acme-id', 'a-secret');
  write('acme', { environment: 'sandbox', client_id: 'acme-id', client_secret: 'a-secret' });
  write('till', { roles: ['token'], grants, certificate_names: ['dns:till.example', 'dns:shared.example'] });
  write('other', { roles: ['token'], grants, certificate_names: ['dns:shared.example'] });
  const mounted = await TlsBroker.start(sandbox, { VAULT_STORE: 'directory', VAULT_PATH: folder });
  const status = async (name: string) => {
    const identity = mounted.clients.issue({ names: [`DNS:${name}`] });
    return (await mounted.call('POST', '/v1/tokens', identity, wanted)).status;
  };
  expect(await status('till.example')).toBe(200);
  for (let i = 0; i < 3; i += 1) expect(await status('shared.example')).toBe(401);
  expect(mounted.output().match(/certificate_ambiguous/g)).toHaveLength(1);
  write('other', { roles: ['token'], grants });
  await eventually(async () => (await status('shared.example')) === 200 || undefined);
});

it('other authorities are believed from the next connection on', async () => {
  const next = new TestAuthority('Next');
  const changing = await TlsBroker.start(sandbox);
  const body = { roles: ['ops', 'admin'], grants: [], certificate_names: ['dns:admin.example'] };
  await changing.admin('PUT', '/v1/callers/boss', body);
  const [old, fresh] = [changing.clients, next].map((by) => by.issue({ names: ['DNS:admin.example'] }));
  const status = async (identity: object) => (await changing.call('GET', '/v1/clients', identity)).status;
  expect([await status(old!), await status(fresh!)]).toEqual([200, 401]);
  writeFileSync(join(changing.folder, 'clients.pem'), next.cert);
  await eventually(async () => (await status(fresh!)) === 200 || undefined, 2_000);
  expect(await status(old!)).toBe(401);
});

it('without TLS_CLIENT_CA_FILE, no certificate is asked for or believed', async () => {
  const plain = await TlsBroker.start(sandbox, { TLS_CLIENT_CA_FILE: '' });
  const body = { roles: ['ops', 'admin'], grants: [], certificate_names: ['dns:admin.example'] };
  await plain.admin('PUT', '/v1/callers/boss', body);
  const identity = plain.clients.issue({ names: ['DNS:admin.example'] });
  expectProblem(
    await callTls('GET', `${plain.url}/v1/clients`, { ca: plain.authority.cert, ...identity }),
    401,
    'unauthenticated',
  );
});
