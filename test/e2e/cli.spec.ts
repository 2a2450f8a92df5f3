import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { KeyRing } from '#vault';

import { lockedZip } from '../../apps/demo/src/locked-zip.js';
import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { RunningSandbox } from '../support/sandbox.js';

const entry = join(import.meta.dirname, '../../dist/apps/cli/src/main.js');
const folder = aFolder();
let sandbox: RunningSandbox;
let broker: RunningBroker;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  broker = await RunningBroker.start(sandbox, { UPSTREAM_RETRIES: '0' });
  await mkdir(folder, { recursive: true });
});

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly json: Record<string, unknown>;
}

/** Runs the command as an operator would. */
async function run(
  args: readonly string[],
  { input = '', env = {} }: { input?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  const settings = { TOKEN_BROKER_URL: broker.url, TOKEN_BROKER_KEY: broker.adminKey, PATH: process.env['PATH'] };
  const child = spawn(process.execPath, [entry, ...args], { cwd: folder, env: { ...settings, ...env } });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end(input);
  await once(child, 'close');
  let json: Record<string, unknown> = {};
  try {
    json = JSON.parse(out) as Record<string, unknown>;
  } catch {
    // Not asked for as JSON.
  }
  return { code: child.exitCode, out, err, json };
}

/** Runs the command on a terminal of its own, and types each answer when its question is on the screen. */
async function onTerminal(args: readonly string[], answers: Readonly<Record<string, string>>) {
  const line = [process.execPath, entry, ...args].map((word) => `'${word}'`).join(' ');
  const env = { TOKEN_BROKER_URL: broker.url, TOKEN_BROKER_KEY: broker.adminKey, PATH: process.env['PATH'] };
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
    cwd: folder,
    env,
    timeout: 10_000,
  });
  const asked = new Map(Object.entries(answers));
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    for (const [question, answer] of asked) {
      if (!screen.includes(question)) continue;
      asked.delete(question);
      child.stdin.write(`${answer}\r`);
    }
  });
  await once(child, 'close');
  expect([...asked.keys()]).toEqual([]);
  return { code: child.exitCode, screen };
}

it('a person finds the way by its help', async () => {
  const help = await run(['--help']);
  expect(help.code).toBe(0);
  for (const name of [
    'import',
    'test',
    'clients',
    'callers',
    'token',
    'keygen',
    'rekey',
    'backup',
    'restore',
    'status',
  ]) {
    expect(help.out).toMatch(new RegExp(`^  ${name} `, 'm'));
  }
  expect(help.out).toContain('Exit codes');
  expect((await run(['clients', 'retire-secret', '--help'])).out).toContain('--force');
});

it('keygen makes a master key without a broker', async () => {
  const { out, code } = await run(['keygen', 'new'], { env: { TOKEN_BROKER_URL: 'http://127.0.0.1:1' } });
  expect(code).toBe(0);
  expect(KeyRing.parse(out.trim()).sealingId).toBe('new');
  expect((await run(['keygen', '--json'])).json).toMatchObject({
    id: expect.stringMatching(/^\d{4}-/),
    key: expect.any(String),
  });
  expect((await run(['keygen', 'a b'])).code).toBe(2);
});

it('from the zip to a token and through a rotation, without a secret on any command line', async () => {
  const [old, next] = ['first-canary-secret', 'second-canary-secret'];
  await sandbox.register('acme-id', old);
  await writeFile(
    join(folder, 'acme.zip'),
    await lockedZip({ client_id: 'acme-id', client_secret: old }, 'zip-password'),
  );
  const dry = await run(['import', 'acme.zip', '--name', 'acme', '--dry-run', '--password-file', '-'], {
    input: 'zip-password\n',
  });
  expect([dry.code, dry.out]).toEqual([0, expect.stringMatching(/acme +sandbox +acme-id +created/)]);
  const options = ['--name', 'acme', '--test', '--password-file', '-', '--json'];
  const imported = await run(['import', 'acme.zip', ...options], { input: 'zip-password' });
  expect(imported.json).toMatchObject({ stored: true, items: [{ name: 'acme' }] });
  expect((await run(['clients'])).out).toMatch(/^acme +sandbox +acme-id/m);

  expect((await run(['callers', 'put', 'shop', '--role', 'token', '--grant', 'acme=DK*'])).code).toBe(0);
  const can = (vat: string) => run(['callers', 'can', 'shop', 'acme', '--merchant-vat', vat]);
  expect(await can('DK12345678')).toMatchObject({ code: 0, out: expect.stringMatching(/^allowed +yes$/m) });
  expect(await can('FI12345678')).toMatchObject({ code: 1, out: expect.stringMatching(/^why +.*none the merchant$/m) });
  const key = (await run(['callers', 'add-key', 'shop'])).out.trim();
  expect(key).toMatch(/^tbk_/);
  await writeFile(join(folder, 'shop.key'), `${key}\n`);
  const asShop = ['--key-file', 'shop.key', 'token', 'acme', '--merchant-vat', 'DK12345678'];
  const shown = await run(asShop);
  expect(shown.out).toMatch(/^token_id +\S+/m);
  expect(shown.out).not.toContain('eyJ');
  expect((await run([...asShop, '--show'])).out).toMatch(/^eyJ/);

  await run(['clients', 'add-secret', 'acme', '--secret-file', '-'], { input: next });
  await sandbox.register('acme-id', next);
  const tested = await run(['test', 'acme', '--json']);
  expect(tested.json).toMatchObject({ accepted: true, secrets: [{ accepted: true }, { accepted: false }] });
  const [, { fingerprint }] = tested.json['secrets'] as [unknown, { fingerprint: string }];
  expect((await run(['clients', 'retire-secret', 'acme', fingerprint])).code).toBe(0);
  expect((await run(['test', 'acme'])).code).toBe(0);
  await sandbox.register('acme-id', 'revoked');
  expect((await run(['test', 'acme'])).code).toBe(1);

  expect((await run(['callers'])).out).toMatch(/^shop +token +acme +[0-9a-f]{12} \(used \d{4}-\d\d-\d\d\)$/m);
  const [{ id }] = ((await run(['callers', '--json'])).json['items'] as { keys: { id: string }[] }[])[0]!.keys as [
    { id: string },
  ];
  expect((await run(['callers', 'revoke-key', 'shop', id])).code).toBe(0);
  expect((await run(asShop)).code).toBe(4);
  for (const each of [dry, imported, shown, tested]) expect(each.out + each.err).not.toContain('canary');
}, 60_000);

it('asks on a terminal without showing what is typed', async () => {
  await sandbox.register('typed-id', 'typed-secret');
  const zip = await lockedZip({ client_id: 'typed-id', client_secret: 'typed-secret' }, 'typed-password');
  await writeFile(join(folder, 'typed.zip'), zip);
  const imported = await onTerminal(['import', 'typed.zip', '--name', 'typed', '--test'], {
    'Password of the archive: ': 'typed-password',
  });
  expect(imported).toMatchObject({ code: 0, screen: expect.stringMatching(/typed +sandbox +typed-id +stored/) });
  const added = await onTerminal(['clients', 'add-secret', 'typed'], { 'Client secret: ': 'typed-second' });
  expect(added.code).toBe(0);
  for (const { screen } of [imported, added]) expect(screen).not.toMatch(/typed-(password|secret|second)/);
  expect((await run(['clients', 'show', 'typed', '--json'])).json['secrets']).toHaveLength(2);
}, 20_000);

it('backup and restore, rekey and status', async () => {
  const made = await run(['backup', 'vault.jwe']);
  expect([made.code, made.out]).toEqual([0, expect.stringContaining('vault.jwe')]);
  expect((await stat(join(folder, 'vault.jwe'))).mode & 0o777).toBe(0o600);
  expect((await run(['backup', 'vault.jwe'])).err).toContain('EEXIST');
  await broker.addClient('added-later');
  expect((await run(['restore', 'vault.jwe'])).code).toBe(2);
  expect((await run(['restore', 'vault.jwe', '--yes', '--json'])).json).toMatchObject({ clients: expect.any(Number) });
  expect((await run(['clients', 'show', 'added-later'])).code).toBe(1);
  expect((await run(['rekey', '--json'])).json).toEqual({ resealed: 0, left: 0, locked: [] });
  expect((await run(['status', '--json'])).json).toMatchObject({
    ready: 'ok',
    store: 'memory',
    clients: expect.any(Number),
  });
  expect(await readFile(join(folder, 'vault.jwe'), 'utf8')).not.toContain('canary');
}, 60_000);

it.each<[string, string[], NodeJS.ProcessEnv, number, RegExp]>([
  [
    'no broker',
    ['clients'],
    { TOKEN_BROKER_URL: 'http://127.0.0.1:1' },
    3,
    /cannot reach a broker at http:\/\/127\.0\.0\.1:1/,
  ],
  ['a wrong key', ['clients'], { TOKEN_BROKER_KEY: 'wrong' }, 4, /A valid caller key is needed/],
  ['an unknown command', ['nonsense'], {}, 2, /unknown command/],
  ['an unknown option', ['clients', '--nonsense'], {}, 2, /unknown option/],
  ['a missing argument', ['test'], {}, 2, /missing required argument/],
  [
    'a file that is not there',
    ['import', 'nowhere.zip', '--password-file', '-'],
    {},
    2,
    /nowhere\.zip cannot be read \(ENOENT\)/,
  ],
  ['no terminal to ask on', ['clients', 'add-secret', 'acme'], {}, 2, /no terminal to ask on/],
  ['a client that is not there', ['clients', 'show', 'nobody'], {}, 1, /there is no client nobody/],
  ['a name that cannot be', ['clients', 'show', 'No Name'], {}, 1, /name must be 1 to 63 characters/],
  ['a grant that is none', ['callers', 'put', 'x', '--role', 'token', '--grant', 'acme'], {}, 2, /client=merchants/],
])('%s: one clear answer, and a code for scripts', async (_, args, env, code, said) => {
  const ran = await run(args, { env });
  expect([ran.code, ran.out]).toEqual([code, '']);
  expect(ran.err).toMatch(said);
  expect(ran.err).not.toMatch(/^\s+at /m);
});
