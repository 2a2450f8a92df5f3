import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { hashOfCallerKey, newCallerKey } from '#vault';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { bearer, call, callJson } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { RunningSandbox } from '../support/sandbox.js';

it('a broker over mounted files serves what they say, follows them within two seconds, and changes none', async () => {
  const folder = aFolder();
  const write = (name: string, content: object) => writeFile(join(folder, `${name}.json`), JSON.stringify(content));
  const sandbox = await RunningSandbox.start();
  const { id, key } = newCallerKey();
  const hash = hashOfCallerKey(key.reveal()).toString('base64url');
  const [old, next] = [randomBytes(9).toString('hex'), randomBytes(9).toString('hex')];
  await write('shop', { roles: ['token'], grants: [{ client: '*', unrestricted: true }], keys: [{ id, hash }] });
  await write('acme', { environment: 'sandbox', client_id: 'acme-id', client_secret: old });
  await sandbox.register('acme-id', old);
  const broker = await RunningBroker.start(sandbox, { VAULT_STORE: 'directory', VAULT_PATH: folder });
  const first = await broker.token(key.reveal(), { client: 'acme' });
  expect(first.status).toBe(200);

  await sandbox.register('acme-id', next);
  await write('acme', { environment: 'sandbox', client_id: 'acme-id', client_secret: next });
  await eventually(async () => {
    const { status, json } = await broker.token(key.reveal(), { client: 'acme' });
    expect(status).toBe(200);
    return json['token_id'] !== first.json['token_id'] || undefined;
  }, 2_000);

  const body = { environment: 'sandbox', client_id: 'x', client_secret: 'x' };
  const put = await callJson('PUT', `${broker.url}/v1/clients/other`, body, bearer(broker.adminKey));
  expect([put.status, put.json['code']]).toEqual([409, 'conflict']);
  expect(put.json['detail']).toContain('read-only');

  await write('acme', {});
  await eventually(() => /"event":"vault_unreadable"/.test(broker.process.output()) || undefined, 3_000);
  expect((await broker.token(key.reveal(), { client: 'acme' })).status).toBe(200);
  const listed = await call('GET', `${broker.url}/v1/clients`, { headers: bearer(broker.adminKey) });
  expect(listed.text).not.toContain(next);
}, 20_000);
