import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { lockedZip } from '../../apps/demo/src/locked-zip.js';
import { RunningBroker } from '../support/broker.js';
import { type CliStart, runCli } from '../support/cli.js';
import { aFolder } from '../support/folder.js';
import { RunningSandbox } from '../support/sandbox.js';
import { aCanary, anAsciiCanary, SecretWatch } from '../support/secret-watch.js';

const secret = aCanary('secret');
const next = aCanary('next');
const zipPassword = aCanary('zip');
const adminKey = anAsciiCanary('admin');
const masterKey = randomBytes(32).toString('base64');
const watch = new SecretWatch({ secret, next, zipPassword, adminKey, masterKey });
/** No secret: it is there to be found. */
const clientId = aCanary('id');

const folder = aFolder();
/** Where the secrets are kept that the command is given: the one place where they may stand. */
const given = aFolder();
const file = (name: string) => join(given, name);
const codes = new Set<number | null>();
let sandbox: RunningSandbox;
let broker: RunningBroker;

const unseen = (args: readonly string[], { env = {}, input = '' }: Partial<CliStart> = {}) =>
  runCli(args, { cwd: folder, env: { TOKEN_BROKER_URL: broker.url, TOKEN_BROKER_KEY: adminKey, ...env }, input });

/** @param bringing what of the output is meant to be a secret */
async function run(args: readonly string[], how: Partial<CliStart> = {}, bringing?: RegExp) {
  const ran = await unseen(args, how);
  codes.add(ran.code);
  watch.hear(ran.err);
  watch.hear(ran.out, bringing?.exec(ran.out)?.[0]);
  return ran;
}

/** For people and for scripts. */
async function codesOf(args: readonly string[], how: Partial<CliStart> = {}) {
  const both = await Promise.all([run(args, how), run([...args, '--json'], how)]);
  return both.map(({ code }) => code);
}

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  const settings = { ADMIN_KEY: adminKey, VAULT_KEYS: `first:${masterKey}`, LOG_LEVEL: 'trace', UPSTREAM_RETRIES: '0' };
  broker = await RunningBroker.start(sandbox, settings, folder);
  await broker.addClient('acme', secret);
  const tillKey = await broker.addCaller('till', ['token'], [{ client: '*', merchants: ['*'] }]);
  watch.canaries.add('tillKey', tillKey);
  writeFileSync(file('acme.zip'), await lockedZip({ client_id: clientId, client_secret: secret }, zipPassword));
  for (const [name, content] of Object.entries({ zipPassword, secret, next, adminKey, tillKey })) {
    writeFileSync(file(name), `${content}\n`);
  }
}, 20_000);

it.each([
  ['for people', []],
  ['for scripts', ['--json']],
])(
  'every command does its work %s',
  async (_, asJson) => {
    const before = watch.count;
    const client = `acme${asJson.length}`;
    const backup = `vault${asJson.length}.jwe`;
    const done = async (args: string[], how?: Partial<CliStart>, bringing?: RegExp) => {
      const ran = await run([...args, ...asJson], how, bringing);
      expect([args, ran.code, ran.err]).toEqual([args, 0, '']);
      expect(ran.out).toMatch(bringing ?? '');
      return ran;
    };
    await sandbox.register(clientId, secret);
    await done(['keygen', 'new'], {}, /[A-Za-z0-9+/]{43}=/);
    const importing = ['import', file('acme.zip'), '--name', client];
    await done([...importing, '--dry-run', '--password-file', '-'], { input: zipPassword });
    await done([...importing, '--test', '--password-file', file('zipPassword')]);
    await done(['clients']);
    await done(['clients', 'show', client]);
    await done(['clients', 'disable', client]);
    await done(['clients', 'enable', client]);
    await done(['clients', 'add-secret', client, '--secret-file', file('next')]);
    const tested = await run(['test', client, '--json']);
    expect(tested.json).toMatchObject({ secrets: [{ accepted: false }, { accepted: true }] });
    const [{ fingerprint }] = tested.json['secrets'] as [{ fingerprint: string }];
    await done(['test', client, '--merchant-vat', 'DK12345678']);
    await done(['clients', 'retire-secret', client, fingerprint]);
    await done(['clients', 'add-secret', client, '--secret-file', '-'], { input: `${next}\n` });

    await done(['callers', 'put', 'shop', '--role', 'token', '--grant', '*=*', '--unrestricted']);
    const { out } = await done(['callers', 'add-key', 'shop', '--expires-in', '60'], {}, /tbk_[\w-]+/);
    const [key = ''] = /tbk_[\w-]+/.exec(out) ?? [];
    const asShop = { env: { TOKEN_BROKER_KEY: key } };
    await done(['token', client], asShop);
    await done(['--key-file', '-', 'token', client], { input: key });
    await done(['token', client, '--show'], asShop, /eyJ[\w.-]+/);
    await done(['callers']);
    await done(['--key-file', file('adminKey'), 'status'], { env: { TOKEN_BROKER_KEY: '' } });
    await done(['rekey']);
    await done(['backup', backup]);
    await done(['restore', backup, '--yes']);
    await done(['callers', 'revoke-key', 'shop', key.slice('tbk_'.length, 'tbk_'.length + 12)]);
    expect((await run(['token', client, ...asJson], asShop)).code).toBe(4);
    await done(['callers', 'delete', 'shop']);
    await done(['clients', 'delete', client]);
    expect(watch.told(before)).toEqual([]);
  },
  60_000,
);

const zip = () => ['import', file('acme.zip')];
const add = (client: string) => ['clients', 'add-secret', client, '--secret-file', '-'];
const password = () => ['--password-file', file('zipPassword')];

describe('what is wrong is said without a secret:', () => {
  it.each<[string, number, () => string[], Partial<CliStart>?]>([
    ['a password', 1, () => [...zip(), '--password-file', file('secret')]],
    ['a zip', 1, () => ['import', file('secret'), ...password()]],
    ['a backup', 1, () => ['restore', file('secret'), '--yes']],
    ['a backup that is a zip', 1, () => ['restore', file('acme.zip'), '--yes']],
    ['a key', 4, () => ['clients'], { env: { TOKEN_BROKER_KEY: `${adminKey}x` } }],
    ['a key without the role', 4, () => ['--key-file', file('tillKey'), 'clients']],
    ['a key that no header can carry', 2, () => ['--key-file', file('zipPassword'), 'clients']],
    ['the broker’s address', 3, () => ['clients'], { env: { TOKEN_BROKER_URL: 'http://127.0.0.1:9' } }],
    ['the client of a secret', 1, () => add('nobody'), { input: secret }],
    ['a secret’s first line', 1, () => add('acme'), { input: `\n${secret}` }],
    ['a secret with NUL', 1, () => add('acme'), { input: `\0${secret}` }],
  ])('%s (%d)', async (_, code, args, ...how) => {
    const before = watch.count;
    expect(await codesOf(args(), ...how)).toEqual([code, code]);
    expect(watch.told(before)).toEqual([]);
  });
});

describe('a secret given by mistake is not repeated:', () => {
  it.each<[string, number, () => string[]]>([
    ['clients <secret>', 2, () => ['clients', secret]],
    ['clients show <secret>', 1, () => ['clients', 'show', secret]],
    ['clients enable <secret>', 1, () => ['clients', 'enable', secret]],
    ['clients delete <secret>', 1, () => ['clients', 'delete', secret]],
    ['clients add-secret <secret>', 1, () => add(secret)],
    ['clients add-secret acme <secret>', 2, () => ['clients', 'add-secret', 'acme', secret]],
    ['clients add-secret acme --secret <secret>', 2, () => ['clients', 'add-secret', 'acme', '--secret', secret]],
    ['clients retire-secret <secret>', 1, () => ['clients', 'retire-secret', secret, secret]],
    ['import --name <secret>', 1, () => [...zip(), ...password(), '--name', secret]],
    ['import --environment <secret>', 1, () => [...zip(), ...password(), '--environment', secret]],
    ['import --password <secret>', 2, () => [...zip(), '--password', secret]],
    ['test <secret>', 1, () => ['test', secret]],
    ['test --merchant-vat <secret>', 1, () => ['test', 'acme', '--merchant-vat', secret]],
    ['token <secret>', 1, () => ['--key-file', file('tillKey'), 'token', secret]],
    [
      'token --merchant-vat <secret>',
      1,
      () => ['--key-file', file('tillKey'), 'token', 'acme', '--merchant-vat', secret],
    ],
    ['callers put <secret>', 1, () => ['callers', 'put', secret, '--role', 'ops']],
    ['callers put --role <secret>', 1, () => ['callers', 'put', 'till', '--role', secret]],
    [
      'callers put --grant <secret>',
      1,
      () => ['callers', 'put', 'x', '--role', 'token', '--grant', `${secret}=${secret}`],
    ],
    ['callers add-key <secret>', 1, () => ['callers', 'add-key', secret]],
    ['callers add-key --expires-in <secret>', 1, () => ['callers', 'add-key', 'till', '--expires-in', secret]],
    ['callers revoke-key <secret>', 1, () => ['callers', 'revoke-key', secret, secret]],
    ['callers delete <secret>', 1, () => ['callers', 'delete', secret]],
    ['keygen <secret>', 2, () => ['keygen', secret]],
    ['rekey <secret>', 2, () => ['rekey', secret]],
    ['backup x.jwe <secret>', 2, () => ['backup', 'x.jwe', secret]],
  ])('token-broker %s (%d)', async (_, code, args) => {
    const before = watch.count;
    expect(await codesOf(args(), { input: next })).toEqual([code, code]);
    expect(watch.told(before)).toEqual([]);
  });

  it.each<[string, () => string[]]>([
    ['clients add-secret --secret-file <secret>', () => ['clients', 'add-secret', 'acme', '--secret-file', secret]],
    ['clients add-secret --secret=<secret>', () => ['clients', 'add-secret', 'acme', `--secret=${secret}`]],
    ['import --password-file <secret>', () => [...zip(), '--password-file', secret]],
    ['import --password=<secret>', () => [...zip(), `--password=${secret}`]],
    ['--key-file <secret>', () => ['--key-file', secret, 'clients']],
    [
      '--url http://user:<secret>@host',
      () => ['--url', `http://user:${encodeURIComponent(secret)}@127.0.0.1:9`, 'clients'],
    ],
    ['clients retire-secret acme <secret>', () => ['clients', 'retire-secret', 'acme', secret]],
    ['callers revoke-key till <secret>', () => ['callers', 'revoke-key', 'till', secret]],
  ])('token-broker %s', async (_, args) => {
    const { out, err } = await unseen(args());
    expect(watch.canaries.in(out + err)).toEqual([]);
  });
});

describe('the search', () => {
  it('finds what was shown on purpose, in the same output', () => {
    expect(new SecretWatch({ clientId }).canaries.in(watch.heard)).toContain('clientId, plain');
    expect(watch.count).toBeGreaterThan(200);
  });

  it('finds what is planted, where the command works and where the secrets are kept', () => {
    writeFileSync(join(folder, 'planted'), `x${next}x`);
    expect(watch.canaries.inFiles(folder)).toContain(`${join(folder, 'planted')}: next, plain`);
    rmSync(join(folder, 'planted'));
    expect(watch.canaries.inFiles(given)).toContain(`${file('tillKey')}: tillKey, plain`);
  });
});

it('none of them stands in what was printed, in the broker’s output, or in any file', async () => {
  expect(await broker.process.stop()).toBe(0);
  expect(codes).toEqual(new Set([0, 1, 2, 3, 4]));
  expect(watch.told()).toEqual([]);
  expect(watch.canaries.in(broker.process.output())).toEqual([]);
  expect(watch.canaries.inFiles(folder)).toEqual([]);
  expect(broker.process.output()).not.toContain('internal_error');
});
