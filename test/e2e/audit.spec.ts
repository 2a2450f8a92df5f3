import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { AuditChain } from '#audit';
import { KeyRing } from '#vault';

import { lockedZip } from '../../apps/demo/src/locked-zip.js';
import { RunningBroker } from '../support/broker.js';
import { runCli } from '../support/cli.js';
import { aFolder } from '../support/folder.js';
import { bearer, call, callJson } from '../support/http.js';
import { runToEnd } from '../support/processes.js';
import { RunningSandbox } from '../support/sandbox.js';
import { aCanary, SecretWatch } from '../support/secret-watch.js';
import { linesIn, linesOf } from '../support/trail.js';

const vat = 'DK12345678';
const everything = [{ client: '*', merchants: ['*'], unrestricted: true }];
let sandbox: RunningSandbox;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
});

async function aBroker(env: Record<string, string> = {}, folder = aFolder()) {
  const broker = await RunningBroker.start(sandbox, { UPSTREAM_RETRIES: '0', ...env }, folder);
  const path = env['AUDIT_LOG'] ?? join(folder, 'data/audit.jsonl');
  const as = (method: string, at: string, body?: unknown) =>
    body instanceof FormData || body === undefined
      ? call(method, `${broker.url}${at}`, { headers: bearer(broker.adminKey), ...(body && { body }) })
      : callJson(method, `${broker.url}${at}`, body, bearer(broker.adminKey));
  return {
    broker,
    folder,
    path,
    as,
    lines: (event = '') => linesIn(path).filter((l) => String(l['event']).includes(event)),
  };
}

const audit = (args: readonly string[], input = '') => runCli(['audit', ...args], { cwd: aFolder(), env: {}, input });

it('a secret that looks like a name, and is sent in the place of one, is not written down', async () => {
  const { broker, lines, path } = await aBroker();
  const key = await broker.addCaller('shop', ['token'], [{ client: 'acme', merchants: ['*'] }]);
  await broker.addClient('other');
  const secret = randomBytes(16).toString('hex');
  for (const client of [secret, 'other']) {
    await broker.token(key, { client, merchant_vat: vat });
    await broker.token('tbk_wrong', { client, merchant_vat: vat });
    await broker.oauth(client, key, { merchant_vat: vat });
    await broker.oauth(client, 'tbk_wrong', { merchant_vat: vat });
  }
  await broker.process.stop();
  expect(readFileSync(path, 'utf8')).not.toContain(secret);
  expect(broker.process.output()).not.toContain(secret);
  expect(lines('refused')).toContainEqual(expect.objectContaining({ caller: 'shop', client: 'other' }));
});

it('who had a token whose id begins with a dash is told as well', async () => {
  const chain = new AuditChain('b', 'host');
  const given = chain.start('2026-01-02T03:04:05Z', null, {});
  given.accept();
  const next = chain.next('2026-01-02T03:04:06Z', 'token.given', { caller: 'shop', token_id: '-SKz7JEJy0raUMS6' });
  const { code, out } = await audit(['who', '-SKz7JEJy0raUMS6'], given.text + next.text);
  expect([code, out]).toEqual([0, expect.stringContaining('shop')]);
});

describe('a token that is given', () => {
  it('is one line for each caller and token, before the first answer', async () => {
    const { broker, lines, path } = await aBroker();
    await broker.addClient('acme');
    const [shop, till] = [
      await broker.addCaller('shop', ['token'], everything),
      await broker.addCaller('till', ['token'], everything),
    ];
    const first = await broker.token(shop, { client: 'acme', merchant_vat: vat });
    const id = String(first.json['token_id']);
    const line = { event: 'token.given', client: 'acme', merchant_vat: vat, token_id: id, address: '127.0.0.1' };
    expect(lines('token.given')).toMatchObject([{ ...line, caller: 'shop', source: 'upstream' }]);
    await Promise.all(Array.from({ length: 500 }, () => broker.token(shop, { client: 'acme', merchant_vat: vat })));
    await Promise.all(Array.from({ length: 50 }, () => broker.oauth('acme', till, { merchant_vat: vat })));
    expect(lines('token.given')).toMatchObject([{ caller: 'shop' }, { ...line, caller: 'till', source: 'memory' }]);
    await broker.invalidate(shop, { client: 'acme', merchant_vat: vat, token_id: id });
    const renewed = await broker.token(shop, { client: 'acme', merchant_vat: vat });
    expect(lines('token.given')[2]).toMatchObject({ caller: 'shop', token_id: renewed.json['token_id'] });
    const who = await audit(['who', id, path]);
    expect([who.code, who.out.match(/ (shop|till) /g)]).toEqual([0, [' shop ', ' till ']]);
    expect((await audit(['who', 'A'.repeat(16), '--json'], readFileSync(path, 'utf8'))).json['items']).toEqual([]);
  }, 30_000);
});

it('every act of an administrator is a line, and nothing secret is in any', async () => {
  const { broker, as, lines, path } = await aBroker();
  const watch = new SecretWatch({ admin: broker.adminKey });
  const secrets = ['one', 'two', 'three', 'four'].map(aCanary);
  for (const [n, secret] of secrets.entries()) watch.canaries.add(`secret ${n}`, secret);
  const [one = '', two = '', three = '', four = ''] = secrets;
  await sandbox.register('acme-id', one);
  const body = { environment: 'sandbox', client_id: 'acme-id', client_secret: one };
  await as('PUT', '/v1/clients/acme', body);
  await as('PUT', '/v1/clients/acme', { ...body, extra_headers: { 'x-canary': 'header' } });
  await as('POST', '/v1/clients/acme/test', {});
  const added = await as('POST', '/v1/clients/acme/secrets', { client_secret: two });
  const { fingerprint } = (added.json['secrets'] as { fingerprint: string }[])[0]!;
  await as('DELETE', `/v1/clients/acme/secrets/${fingerprint}`);
  await as('PATCH', '/v1/clients/acme', { enabled: false });
  await as('PATCH', '/v1/clients/acme', { enabled: true });
  await sandbox.register('new-id', three);
  const zip = await lockedZip({ client_id: 'new-id', client_secret: three }, four);
  await broker.import(zip, { password: four, dry_run: 'true' });
  await broker.import(zip, { password: four, test: 'true' });
  await as('PUT', '/v1/callers/shop', { roles: ['token'], grants: everything });
  await as('PUT', '/v1/callers/shop', { roles: ['token'], grants: [] });
  await as('PATCH', '/v1/callers/shop', { grants: everything });
  const key = watch.saw(await as('POST', '/v1/callers/shop/keys', {}), 'key').json;
  watch.saw(await broker.token(String(key['key']), { client: 'acme' }), 'access_token');
  await as('DELETE', `/v1/callers/shop/keys/${String(key['id'])}`);
  await as('POST', '/v1/vault/rekey');
  const form = new FormData();
  form.set('backup', new Blob([(await as('GET', '/v1/vault/backup')).text]), 'vault.jwe');
  await as('POST', '/v1/vault/restore', form);
  await as('DELETE', '/v1/callers/shop');
  await as('DELETE', '/v1/clients/acme');
  await as('DELETE', '/v1/clients/acme');
  const acts = lines().filter(({ by }) => by === '@admin');
  expect(acts.map(({ event, subject, failed }) => [event, subject, failed].join(' ').trim())).toEqual([
    'client.created acme',
    'client.replaced acme',
    'client.tested acme',
    'client.secret_added acme',
    'client.secret_retired acme',
    'client.disabled acme',
    'client.enabled acme',
    'client.tested new-id',
    'client.imported new-id',
    'caller.created shop',
    'caller.replaced shop',
    'caller.changed shop',
    'caller.key_added shop',
    'caller.key_revoked shop',
    'vault.rekeyed',
    'vault.backed_up',
    'vault.restored',
    'caller.deleted shop',
    'client.deleted acme',
  ]);
  expect(acts[3]).toMatchObject({ secret: fingerprint, before: acts[1]!['after'], address: '127.0.0.1' });
  expect(acts[8]).toMatchObject({ before: null, secrets_before: null, secrets_after: [expect.any(String)] });
  expect(acts[12]).toMatchObject({ key: key['id'] });
  const text = readFileSync(path, 'utf8');
  expect(watch.canaries.in(text)).toEqual([]);
  expect(text).not.toMatch(/eyJ|tbk_[\w-]{20}/);
  await broker.process.stop();
  expect((await audit(['verify', path])).out).toMatch(/^fine: \d+ lines in 1 chains/);
}, 30_000);

it('refusals are written at once, and counted when they are repeated', async () => {
  const { broker, lines } = await aBroker({ RATE_LIMIT_PER_KEY: '1' });
  for (const name of ['acme', 'other']) await broker.addClient(name);
  const shop = await broker.addCaller('shop', ['token'], [{ client: 'acme', merchants: [vat] }]);
  const wrong = 'tbk_0123456789ab_Wr0ng-Value';
  for (let n = 0; n < 20; n += 1) {
    await broker.token(wrong, { client: 'acme', merchant_vat: vat });
    await broker.oauth('acme', wrong);
    await broker.token(shop, { client: 'Not/A/Name', merchant_vat: vat });
    await broker.token(shop, { client: 'other', merchant_vat: vat });
    await broker.oauth('other', shop);
  }
  expect(lines('refused')).toHaveLength(4);
  const url = `${broker.url}/v1/clients/acme`;
  await call('GET', url, { headers: bearer(shop) });
  await callJson('PATCH', url, { enabled: false }, bearer(broker.adminKey));
  await broker.token(shop, { client: 'acme', merchant_vat: vat });
  await broker.process.stop();
  const shown = lines('refused').map((l) =>
    ['code', 'caller', 'client', 'route', 'count'].map((name) => l[name]).join(' '),
  );
  expect(shown).toEqual([
    'unauthenticated   POST /v1/tokens ',
    'unauthenticated   POST /connect/token ',
    'forbidden shop other POST /v1/tokens ',
    'forbidden shop other POST /connect/token ',
    'forbidden shop acme GET /v1/clients/:name ',
    'client_disabled shop acme POST /v1/tokens ',
    'unauthenticated   POST /v1/tokens 19',
    'unauthenticated   POST /connect/token 19',
    'forbidden shop other POST /v1/tokens 19',
    'forbidden shop other POST /connect/token 19',
  ]);
  expect(lines().at(-1)).toMatchObject({ event: 'audit.stopped' });
  expect(JSON.stringify(lines())).not.toContain('Wr0ng');
}, 30_000);

describe('the check of a trail', () => {
  it('finds what was done to it, and ends with 1; with 2 where it is not used rightly', async () => {
    const { broker, path } = await aBroker();
    await broker.addClient('acme');
    const shop = await broker.addCaller('shop', ['token'], everything);
    for (const merchant_vat of [vat, 'FI12345678']) await broker.token(shop, { client: 'acme', merchant_vat });
    await broker.process.stop();
    const whole = readFileSync(path, 'utf8');
    const lines = whole.trimEnd().split('\n');
    const last = String(linesOf(whole).at(-1)!['hash']);
    const fine = await audit(['verify', '--json', '--expect', last, path]);
    expect(fine).toMatchObject({ code: 0, json: { fine: true, lines: lines.length, chains: [{ last_hash: last }] } });
    const tampered = join(aFolder(), 'tampered.jsonl');
    const others: [string, string[]][] = [
      ['not as it was written', lines.with(1, lines[1]!.replace('acme', 'evil'))],
      ['should stand before', lines.toSpliced(2, 1)],
      ['stands twice', lines.toSpliced(2, 0, lines[2]!)],
      ['begins here with no. 2', lines.slice(1)],
      ['is not there', lines.slice(0, -1)],
    ];
    for (const [said, changed] of others) {
      writeFileSync(tampered, `${changed.join('\n')}\n`);
      const { code, out } = await audit(['verify', '--expect', last, tampered]);
      expect([code, out]).toEqual([1, expect.stringContaining(said)]);
    }
    const usage = [['verify', 'not-there'], ['verify', '--after', 'x'], ['verify', '--wrong'], ['who']];
    for (const args of usage) expect((await audit(args)).code).toBe(2);
    expect((await audit(['verify', '-'], whole)).code).toBe(0);
  }, 30_000);

  it('takes two replicas’ file, and the standard output of both', async () => {
    const [file, vault, keys] = [
      join(aFolder(), 'audit.jsonl'),
      join(aFolder(), 'vault.json'),
      KeyRing.generate('test'),
    ];
    const shared = { VAULT_PATH: vault, VAULT_KEYS: keys, ADMIN_KEY: 'admin-key-of-two-replicas-0' };
    const one = await aBroker({ ...shared, AUDIT_LOG: file });
    await one.broker.addClient('acme');
    const key = await one.broker.addCaller('shop', ['token'], everything);
    const two = await aBroker({ ...shared, AUDIT_LOG: file });
    const three = await aBroker({ ...shared, AUDIT_LOG: 'stdout' });
    const four = await aBroker({ ...shared, AUDIT_LOG: 'stdout' });
    const brokers = [one, two, three, four].map(({ broker }) => broker);
    await Promise.all(brokers.map((broker) => broker.token(key, { client: 'acme', merchant_vat: vat })));
    await Promise.all(brokers.map((broker) => broker.process.stop()));
    expect((await audit(['verify', '--json', file])).json).toMatchObject({ fine: true, chains: [{}, {}] });
    const printed = [three, four].map(({ broker }) => broker.process.output()).join('');
    expect((await audit(['verify', '--mixed', '--json'], printed)).json).toMatchObject({
      fine: true,
      ignored: expect.any(Number),
      chains: [{ lines: 3 }, { lines: 3 }],
    });
    expect((await audit(['verify'], printed)).code).toBe(1);
  }, 30_000);
});

it('a start whose trail cannot be written fails in one line', async () => {
  const settings = { PORT: '0', AUDIT_LOG: '/dev/null' };
  const { code, output } = await runToEnd('broker', settings);
  expect([code, output]).toEqual([
    78,
    'setting AUDIT_LOG /dev/null cannot be opened and written (not a regular file)\n',
  ]);
});
