import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { KeyRing, MemoryVaultStore, type Place, Sealer, Vault } from '#vault';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { type Answer, bearer, call } from '../support/http.js';
import { expectNothingRepeated, expectProblem, expectUnharmed, WRONG } from '../support/problems.js';
import { rawExchange } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';

const MOST_BYTES = 16_777_216;
const ring = KeyRing.generate('ours');
const folder = aFolder();

let broker: RunningBroker;
let key: string;
let backup: string;
let before: Answer['json'][];

const send = (method: string, path: string, headers: Record<string, string> = {}, body?: RequestInit['body']) =>
  call(method, broker.url + path, {
    headers: { ...bearer(broker.adminKey), ...headers },
    ...(body !== undefined && { body }),
  });
const held = async () => [(await send('GET', '/v1/clients')).json, (await send('GET', '/v1/callers')).json];

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start(), { VAULT_KEYS: ring }, folder);
  await broker.addClient('acme');
  key = await broker.addCaller('shop', ['token'], [{ client: 'acme', merchants: ['*'] }]);
  backup = (await send('GET', '/v1/vault/backup')).text;
  before = await held();
});
afterEach(async () => {
  await expectUnharmed(broker, key);
  expect(await held()).toMatchObject(before);
});

const restoring = (...parts: [name: string, content: string | Blob][]) => {
  const form = new FormData();
  for (const [name, content] of parts) form.append(name, content);
  return send('POST', '/v1/vault/restore', {}, form);
};
const file = (content: string | Uint8Array<ArrayBuffer>) => new Blob([content]);
const restore = (content: string | Uint8Array<ArrayBuffer>) => restoring(['backup', file(content)]);
const partsOf = (text: string) => text.split('.');
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const neighbour = (letter: string) => BASE64URL[BASE64URL.indexOf(letter) ^ 1]!;
/** The backup with another header, in which only what it says was changed. */
const relabelled = (change: object) => {
  const [header = '', ...rest] = partsOf(backup);
  const said: object = JSON.parse(Buffer.from(header, 'base64url').toString());
  return [Buffer.from(JSON.stringify({ ...said, ...change })).toString('base64url'), ...rest].join('.');
};
const sealed = (content: unknown, purpose: Place['purpose'] = 'backup') =>
  new Sealer(KeyRing.parse(ring)).seal(JSON.stringify(content), { purpose, record: 'backup', version: 1 });

describe('POST /v1/vault/restore refuses', () => {
  const parts = ['its header', 'its wrapped key', 'its nonce', 'its content', 'its tag'];

  it.each(parts)('a backup in which %s was changed, were it only in bits that nobody reads', async (what) => {
    const at = parts.indexOf(what);
    for (const place of [/^./, /.$/]) {
      const changed = partsOf(backup).map((part, i) => (i === at ? part.replace(place, neighbour) : part));
      expectProblem(await restore(changed.join('.')), 400, 'invalid_request', ['backup']);
    }
  });

  it.each(parts)('a backup that lost %s, or ends before it', async (what) => {
    const at = parts.indexOf(what);
    const cut = [partsOf(backup).toSpliced(at, 1), partsOf(backup).slice(0, at)];
    for (const text of cut) expectProblem(await restore(text.join('.')), 400, 'invalid_request', ['backup']);
  });

  it.each<[string, object]>([
    ['another version', { ver: 2 }],
    ['another record', { rec: WRONG }],
    ['another purpose', { use: 'vault' }],
    ['another key’s id', { kid: WRONG }],
    ['no key’s id', { kid: undefined }],
    ['a key’s id that is a number', { kid: 5 }],
    ['a key’s id that is an object', { kid: { [WRONG]: 1 } }],
    ['a key’s id of 1 MB', { kid: 'x'.repeat(1_000_000) }],
    ['another format', { fmt: 2 }],
    ['no algorithm', { alg: 'none' }],
    ['a password for a key', { alg: 'PBES2-HS256+A128KW', p2c: 1_000_000_000, p2s: 'AAAA' }],
    ['compression', { zip: 'DEF' }],
    ['a critical member', { crit: [WRONG], [WRONG]: 1 }],
  ])('a backup that is said to have %s', async (_, change) => {
    expectProblem(await restore(relabelled(change)), 400, 'invalid_request', ['backup']);
  });

  it.each<[string, () => Promise<string> | string]>([
    ['nothing', () => ''],
    ['a word', () => WRONG],
    ['dots', () => '....'],
    ['a header that is no JSON', () => `${Buffer.from(WRONG).toString('base64url')}.a.b.c.d`],
    ['a header of deep JSON', () => `${Buffer.from('['.repeat(1_000_000)).toString('base64url')}.a.b.c.d`],
    ['two backups', () => backup + backup],
    ['a backup with something behind it', () => `${backup}${WRONG}`],
    ['a backup as JSON', () => JSON.stringify({ backup })],
    ['a backup of UTF-16', () => Buffer.from(backup, 'utf16le').toString('latin1')],
    [
      'a record of the vault',
      () => /"sealed": "([^"]+)"/.exec(readFileSync(join(folder, 'data/vault.json'), 'utf8'))![1]!,
    ],
    ['the vault’s file', () => readFileSync(join(folder, 'data/vault.json'), 'utf8')],
    ['what was sealed for something else', () => sealed({ format: 1, clients: [], callers: [] }, 'token')],
    ['a later format', () => sealed({ format: 2, clients: [], callers: [] })],
    ['a format without callers', () => sealed({ format: 1, clients: [] })],
    ['a list', () => sealed([WRONG])],
  ])('%s', async (_, make) => {
    expectProblem(await restore(await make()), 400, 'invalid_request', ['backup']);
  });

  it('a backup of another master key, and says which', async () => {
    const elsewhere = KeyRing.parse(KeyRing.generate('elsewhere'));
    const answer = await restore(await (await Vault.open(new MemoryVaultStore(), elsewhere, Date.now)).backup());
    expectProblem(answer, 400, 'invalid_request', ['backup']);
    expect(answer.json['detail']).toMatch(/master key "elsewhere".*\(ours\)/);
  });

  it('what is huge, and more than that', async () => {
    expectProblem(await restore(new Uint8Array(MOST_BYTES)), 400, 'invalid_request', ['backup']);
    expectProblem(await restore(partsOf(backup)[0] + '.'.repeat(MOST_BYTES / 2)), 400, 'invalid_request', ['backup']);
    expectProblem(await restore(new Uint8Array(MOST_BYTES + 1)), 413, 'payload_too_large');
  });

  it.each<[string, () => Promise<Answer>, string]>([
    ['nothing', () => restoring(), 'backup'],
    ['a backup that is text', () => restoring(['backup', backup]), 'body'],
    ['a backup under another name', () => restoring([WRONG, file(backup)]), 'body'],
    ['two backups', () => restoring(['backup', file(backup)], ['backup', file(backup)]), 'body'],
    ['a field behind it', () => restoring(['backup', file(backup)], [WRONG, WRONG]), 'body'],
    ['a field before it', () => restoring([WRONG, WRONG], ['backup', file(backup)]), 'body'],
  ])('%s in a form', async (_, sent, field) => {
    expectProblem(await sent(), 400, 'invalid_request', [field]);
  });

  it.each<[string, string, () => string, number]>([
    ['as JSON', 'application/json', () => JSON.stringify({ backup }), 400],
    ['as it came', 'application/jose', () => backup, 415],
    ['as text', 'text/plain', () => backup, 415],
    ['as XML', 'application/xml', () => `<${WRONG}/>`, 415],
    ['without a boundary', 'multipart/form-data', () => WRONG, 400],
    ['without an end', 'multipart/form-data; boundary=x', () => `--x\r\n\r\n${WRONG}`, 400],
  ])('a body that is one, %s', async (_, type, body, status) => {
    const answer = await send('POST', '/v1/vault/restore', { 'content-type': type }, body());
    const code = status === 400 ? 'invalid_request' : 'unsupported_media_type';
    expect([answer.status, answer.json['code']]).toEqual([status, code]);
    expectNothingRepeated(answer);
  });

  it('a form that ends in the middle, however it ends', async () => {
    const head = `POST /v1/vault/restore HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${broker.adminKey}\r\n`;
    const type = 'Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000\r\n\r\n';
    const begin = '--x\r\nContent-Disposition: form-data; name="backup"; filename="x"\r\n\r\n';
    for (const how of ['end', 'reset'] as const) {
      const said = await rawExchange(broker.url, `${head}${type}${begin}${backup}`, how);
      expect(said).toMatch(how === 'end' ? /^HTTP\/1\.1 400 / : /^$/);
    }
  });
});

it('POST /v1/vault/restore takes a backup with a line break behind it', async () => {
  expect((await restore(`${backup}\r\n`)).json).toEqual({ clients: 1, callers: 1 });
});

describe('POST /v1/vault/rekey', () => {
  it.each(['{}', `{"x":"${WRONG}"}`, '[]', 'null'])('needs no body, and reads none: %s', async (body) => {
    const answer = await send('POST', '/v1/vault/rekey', { 'content-type': 'application/json' }, body);
    expect([answer.status, answer.json]).toEqual([200, { resealed: 0, left: 0, locked: [] }]);
  });

  it.each([
    ['half an object', 'application/json', `{"${WRONG}`, 400, 'invalid_request'],
    ['nothing', 'application/json', '', 400, 'invalid_request'],
    ['70000 letters', 'application/json', `"${'x'.repeat(70_000)}"`, 413, 'payload_too_large'],
    ['text', 'text/plain', WRONG, 415, 'unsupported_media_type'],
  ])('refuses a body that cannot be read: %s', async (_, type, body, status, code) => {
    const answer = await send('POST', '/v1/vault/rekey', { 'content-type': type }, body);
    expectProblem(answer, status, code, status === 400 ? ['body'] : []);
  });
});

it.each(['/v1/vault/backup', '/v1/clients/acme', '/v1/callers', '/v1/callers/shop', '/metrics'])(
  'GET %s does not read its query',
  async (path) => {
    const answer = await send('GET', `${path}?${WRONG}=%zz&constructor=${WRONG}&limit=x`);
    expect(answer.status).toBe(200);
    expectNothingRepeated(answer);
  },
);
