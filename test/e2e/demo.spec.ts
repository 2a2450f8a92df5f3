import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';

import { aFolder } from '../support/folder.js';
import { bearer, call, callJson } from '../support/http.js';
import { childrenOf, eventually, isRunning, type RunningProcess, runToEnd, start } from '../support/processes.js';

const settings = { PORT: '0', SANDBOX_PORT: '0', SANDBOX_LATENCY_MS: '0' };
const READY = /^Broker +(http\S+)[^]*Ctrl-C stops all/m;
const merchant_vat = 'DK90000028';

/** A folder with what a shell must quote in its name. */
function aDemoFolder(): string {
  const folder = join(aFolder(), "it's $HOME");
  mkdirSync(folder);
  return folder;
}

const startDemo = (folder: string) => start('demo', settings, folder, READY);
const accessIn = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'data/demo.json'), 'utf8')) as Record<string, string>;

async function refuses(url: string): Promise<boolean> {
  return fetch(url).then(
    () => false,
    () => true,
  );
}

describe('the demo', () => {
  let folder: string;
  let demo: RunningProcess;
  beforeAll(async () => {
    folder = aDemoFolder();
    demo = await startDemo(folder);
  }, 30_000);

  it('says what happened', () => {
    const said = demo.output();
    for (const line of [
      /^Sandbox +http:\/\/127\.0\.0\.1:\d+ +stands in for MobilePay$/m,
      /^Broker +http:\/\/127\.0\.0\.1:\d+ +tokens in memory, vault sealed in data\/vault\.json$/m,
      /✓ imported the locked zip: client "demo"$/m,
      /✓ made the caller "demo-shop", who may get tokens for DK90000028$/m,
      /✓ got a token: fingerprint [\w-]{16}, good for 3\d{3} s, bound to DK90000028$/m,
      /✓ asked again: the same token, from memory, without a call to MobilePay$/m,
      /✓ called PoS V10 with it: \S/m,
      /^Keys are in data\/demo\.json, logs in data\/demo\.log\. Ctrl-C stops all\.$/m,
    ]) {
      expect(said).toMatch(line);
    }
    expect(said).not.toMatch(/undefined|\[object|^\s+at /m);
  });

  it('ends with a curl line that works word for word, wherever it is pasted', () => {
    const line = /^curl .*$/m.exec(demo.output())![0];
    expect(line).not.toContain(accessIn(folder)['caller_key']);
    const answer = execFileSync('bash', ['-c', line], { cwd: '/', encoding: 'utf8' });
    expect(JSON.parse(answer)).toMatchObject({
      client: 'demo',
      merchant_vat,
      access_token: expect.stringMatching(/^eyJ/),
    });
  });

  it('leaves what a person needs in data/demo.json, and everything closed to others', async () => {
    const access = accessIn(folder);
    expect(access).toEqual({
      url: demo.url,
      client: 'demo',
      merchant_vat,
      caller_key: expect.stringMatching(/^tbk_/),
      admin_key: expect.stringMatching(/^tbk_/),
    });
    const files = readdirSync(join(folder, 'data'));
    expect(files).toEqual(expect.arrayContaining(['demo.json', 'vault.json', 'demo.log', 'admin.key', 'master.key']));
    const modes = files.map((name) => [name, (statSync(join(folder, 'data', name)).mode & 0o777).toString(8)]);
    expect(modes).toEqual(files.map((name) => [name, '600']));
    const body = { client: access['client'], merchant_vat };
    expect(await callJson('POST', `${access['url']}/v1/tokens`, body, bearer(access['caller_key']!))).toMatchObject({
      status: 200,
    });
    expect(await call('GET', `${access['url']}/v1/clients`, { headers: bearer(access['admin_key']!) })).toMatchObject({
      status: 200,
      json: { items: [{ name: 'demo', environment: 'sandbox' }] },
    });
  });

  it('stops both services on SIGINT, and reuses client and caller when it is started again', async () => {
    const before = accessIn(folder);
    const services = childrenOf(demo.child.pid);
    expect(services).toHaveLength(2);
    expect(await demo.stop('SIGINT')).toBe(0);
    expect(services.filter(isRunning)).toEqual([]);
    expect(await refuses(demo.url)).toBe(true);

    const again = await startDemo(folder);
    expect(again.output()).toMatch(/✓ client "demo" is in the vault already$/m);
    expect(again.output()).toMatch(/✓ reused the caller "demo-shop"/m);
    expect(again.output()).toMatch(/✓ called PoS V10 with it: \S/m);
    expect(accessIn(folder)).toEqual({ ...before, url: again.url });
    expect(await again.stop()).toBe(0);
  }, 60_000);

  it.each([
    ['demo.json', '{"caller_key":', /✓ client "demo" is in the vault already[^]*✓ made the caller/],
    ['demo-upstream-client.json', 'broken', /✓ imported the locked zip[^]*✓ reused the caller/],
  ])(
    'makes %s anew if it is damaged',
    async (name, text, said) => {
      await demo.stop();
      writeFileSync(join(folder, 'data', name), text);
      const again = await startDemo(folder);
      expect(again.output()).toMatch(said);
      expect(again.output()).toMatch(/✓ called PoS V10 with it: \S/m);
      expect(await again.stop('SIGTERM')).toBe(0);
    },
    60_000,
  );
});

describe('the demo says in one line why it cannot start, and leaves no process:', () => {
  async function taken(): Promise<string> {
    const server = createServer().listen(0, '127.0.0.1').unref();
    await once(server, 'listening');
    return String((server.address() as AddressInfo).port);
  }
  const vaultOf = (text: string) => (folder: string) => {
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data/vault.json'), text);
  };

  it.each<[string, (folder: string) => Promise<Record<string, string>> | Record<string, string>, number, RegExp]>([
    ['the broker’s port is in use', async () => ({ PORT: await taken() }), 1, /^token-broker .* the port is in use/],
    ['the sandbox’s port is in use', async () => ({ SANDBOX_PORT: await taken() }), 1, /^sandbox .* port is in use/],
    ['VAULT_KEYS is malformed', () => ({ VAULT_KEYS: 'nonsense' }), 78, /^setting VAULT_KEYS: master key 1 must be/],
    ['the vault is damaged', (folder) => (vaultOf('{"format": 1,')(folder), {}), 1, /vault\.json is cut short/],
    ['data is a file', (folder) => (writeFileSync(join(folder, 'data'), ''), {}), 1, /data/],
  ])(
    '%s',
    async (_, prepare, exitCode, line) => {
      const folder = aDemoFolder();
      const { code, output } = await runToEnd('demo', { ...settings, ...(await prepare(folder)) }, folder);
      expect(code).toBe(exitCode);
      expect(output.trimEnd().split('\n')).toEqual([expect.stringMatching(line)]);
      expect(output).not.toMatch(/^\s+at /m);
      await expectNobodyIn(folder);
    },
    30_000,
  );

  it('VAULT_KEYS are not those that the vault was sealed with', async () => {
    const folder = aDemoFolder();
    await (await startDemo(folder)).stop();
    const before = readFileSync(join(folder, 'data/vault.json'));
    const VAULT_KEYS = `development:${Buffer.alloc(32, 7).toString('base64')}`;
    const { code, output } = await runToEnd('demo', { ...settings, VAULT_KEYS }, folder);
    expect(code).toBe(1);
    expect(output.trimEnd().split('\n')).toEqual([expect.stringMatching(/^token-broker cannot start: .*client\/demo/)]);
    expect(readFileSync(join(folder, 'data/vault.json'))).toEqual(before);
  }, 60_000);

  /** The sandbox had been started: its address is in the log, if it came as far. */
  async function expectNobodyIn(folder: string): Promise<void> {
    const log = join(folder, 'data/demo.log');
    const urls = existsSync(log) ? readFileSync(log, 'utf8').match(/http:\/\/127\.0\.0\.1:\d+/g) : [];
    for (const url of urls ?? []) expect(await refuses(url)).toBe(true);
  }
});

it.each(['SIGINT', 'SIGTERM'] as const)(
  '%s while it is still starting stops what it has started',
  async (signal) => {
    for (const untilServices of [1, 2]) {
      const demo = await start('demo', settings, aDemoFolder(), /()/);
      const services = await eventually(() => {
        const children = childrenOf(demo.child.pid);
        return children.length === untilServices ? children : undefined;
      }, 20_000);
      expect(await demo.stop(signal)).toBe(0);
      expect(services.filter(isRunning)).toEqual([]);
      expect(demo.output()).not.toMatch(/^\s+at |ended/m);
    }
  },
  60_000,
);
