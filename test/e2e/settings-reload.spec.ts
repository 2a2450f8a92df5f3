import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

import { KeyRing } from '#vault';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { bearer, call } from '../support/http.js';
import { RunningIssuer } from '../support/jwt-issuer.js';
import { ReadMetrics } from '../support/metrics.js';
import { eventually, root } from '../support/processes.js';
import { RunningSandbox } from '../support/sandbox.js';
import { anAsciiCanary, SecretWatch } from '../support/secret-watch.js';
import { type LogLine, SettingsFiles, SettingsLog, type Told } from '../support/settings-files.js';
import { linesIn, verdictOnFile } from '../support/trail.js';

const merchant_vat = 'DK12345678';
const wanted = { client: 'acme', merchant_vat };
const [first, second, third] = ['first', 'second', 'third'].map((id) => KeyRing.generate(id)) as [
  string,
  string,
  string,
];
const watch = new SecretWatch();
const folder = aFolder();
const ways: Told[] = ['file', 'signal'];

let sandbox: RunningSandbox;
let issuer: RunningIssuer;
let other: RunningIssuer;
let files: SettingsFiles;
let broker: RunningBroker;
let log: SettingsLog;
let shop: string;
let vats = 10_000_000;

beforeAll(async () => {
  [sandbox, issuer, other] = await Promise.all([RunningSandbox.start(), RunningIssuer.start(), RunningIssuer.start()]);
  files = new SettingsFiles({ LOG_LEVEL: 'info' }, first);
  broker = await RunningBroker.start(sandbox, files.env, folder);
  log = new SettingsLog(broker);
  await broker.addClient('acme');
  shop = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'], unrestricted: true }]);
  for (const name of ['till', 'kiosk']) {
    await broker.addCaller(name, ['token'], [{ client: 'acme', merchants: [merchant_vat] }]);
  }
});

/** The settings as they were at first. */
function putBack(): Promise<LogLine> {
  [files.lines, files.issuers] = [{ LOG_LEVEL: 'info' }, []];
  return log.change(files, 'signal');
}

const metric = async (name: string) => {
  const { text } = await call('GET', `${broker.url}/metrics`, { headers: bearer(broker.adminKey) });
  return new ReadMetrics(text).valueOf(`token_broker_settings_${name}`);
};
/** Of a merchant whom nobody has asked for. */
const aVat = () => `DK${(vats += 1)}`;
const statuses = async (count: number, ask: () => Promise<{ status: number }>) => {
  const seen: number[] = [];
  for (let n = 0; n < count; n += 1) seen.push((await ask()).status);
  return seen;
};

describe.each(ways)('told by %s', (by) => {
  it('the log level counts at once', async () => {
    const isLogged = async () => {
      const { length } = broker.process.output();
      await broker.token(other.token(), wanted);
      return broker.process.output().slice(length).includes('"event":"jwt_refused"');
    };
    files.issuers = [other.settings([{ caller: 'nobody', subject: 'nobody' }])];
    await log.change(files, by);
    expect(await isLogged()).toBe(false);
    files.lines = { LOG_LEVEL: 'debug' };
    expect(await log.change(files, by)).toMatchObject({ level: 'info', by, settings: ['LOG_LEVEL'] });
    expect(await isLogged()).toBe(true);
    await putBack();
    expect(await isLogged()).toBe(false);
  });

  it('limits count for the next request, and wider ones bring no new burst', async () => {
    files.lines = { LOG_LEVEL: 'info', RATE_LIMIT_PER_CALLER: 4 };
    expect(await log.change(files, by)).toMatchObject({ settings: ['RATE_LIMIT_PER_CALLER'] });
    expect((await statuses(8, () => broker.token(shop, wanted))).filter((each) => each === 200)).toHaveLength(4);
    files.lines = { LOG_LEVEL: 'info', RATE_LIMIT_PER_CALLER: 60 };
    await log.change(files, by);
    // One a second, now.
    const after = await statuses(8, () => broker.token(shop, wanted));
    expect(after.filter((each) => each === 429).length).toBeGreaterThan(4);
    await eventually(async () => (await broker.token(shop, wanted)).status === 200 || undefined, 3_000);
    files.lines = { LOG_LEVEL: 'info', RATE_LIMIT_PER_KEY: 2 };
    await log.change(files, by);
    const failed = { client: 'acme', merchant_vat: aVat() };
    await sandbox.fault({ kind: 'status', status: 503, client_id: 'acme-id', merchant_vat: failed.merchant_vat });
    const failing = await statuses(5, () => broker.token(shop, failed));
    expect(failing.map((each) => each === 429)).toEqual([false, false, true, true, true]);
    await sandbox.clearFaults();
    await putBack();
  });

  it('an issuer of JWTs counts, with other rules and no more, whatever was believed before', async () => {
    const jwt = issuer.token();
    const untilIs = (status: number) =>
      eventually(async () => (await broker.token(jwt, wanted)).status === status || undefined, 3_000);
    const subject = 'system:serviceaccount:shops:till';
    const nobody = issuer.settings([{ caller: 'nobody', subject }]);
    expect((await broker.token(jwt, wanted)).status).toBe(401);
    files.issuers = [issuer.settings([{ caller: 'till', subject }])];
    expect(await log.change(files, by)).toMatchObject({ settings: ['CALLER_JWT_ISSUERS_FILE'] });
    await untilIs(200);
    // From memory, by a JWT that was seen before: before Fastify has seen the request.
    expect(await statuses(3, () => broker.token(jwt, wanted))).toEqual([200, 200, 200]);
    const { fetches } = issuer;
    files.issuers = [nobody, other.settings([{ caller: 'kiosk', subject }])];
    await log.change(files, by);
    expect(await statuses(3, () => broker.token(jwt, wanted))).toEqual([401, 401, 401]);
    expect(await statuses(2, () => broker.token(other.token(), wanted))).toEqual([200, 200]);
    expect(issuer.fetches).toBe(fetches);
    files.issuers = [issuer.settings([{ caller: 'till', subject }])];
    await log.change(files, by);
    await untilIs(200);
    expect((await broker.token(other.token(), wanted)).status).toBe(401);
    await putBack();
    expect(await statuses(3, () => broker.token(jwt, wanted))).toEqual([401, 401, 401]);
  }, 40_000);

  it('master keys count, and are in the audit trail by their ids', async () => {
    const { length } = linesIn(join(folder, 'data/audit.jsonl'));
    for (const ring of [[first, second], [second, first], [first]] as const) {
      files.keys = ring.join(',');
      const ids = ring.map((key) => key.split(':')[0]);
      expect(await log.change(files, by)).toMatchObject({ by, settings: ['VAULT_KEYS'], master_keys: ids });
      expect((await broker.token(shop, { client: 'acme', merchant_vat: aVat() })).status).toBe(200);
    }
    const told = linesIn(join(folder, 'data/audit.jsonl')).slice(length);
    expect(told.filter(({ event }) => event === 'settings.reloaded')).toMatchObject([
      { by, settings: ['VAULT_KEYS'], master_keys: ['first', 'second'] },
      { by, settings: ['VAULT_KEYS'], master_keys: ['second', 'first'] },
      { by, settings: ['VAULT_KEYS'], master_keys: ['first'] },
    ]);
    expect(verdictOnFile(join(folder, 'data/audit.jsonl'))).toMatchObject({ problems: [] });
  });
});

it('limits of the server count for connections that are open and for new ones', async () => {
  const keptFor = async (path: string, key: string, body: object) => {
    const headers = { ...bearer(key), 'content-type': 'application/json' };
    const answer = await fetch(`${broker.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    await answer.text();
    return answer.headers.get('keep-alive');
  };
  await broker.token(shop, wanted);
  expect(await keptFor('/v1/tokens', shop, wanted)).toBe('timeout=72');
  files.lines = { LOG_LEVEL: 'info', HTTP_KEEP_ALIVE_MS: 5_000, HTTP_HEADERS_TIMEOUT_MS: 500, HTTP_CONNECTIONS: 10 };
  expect(await log.change(files)).toMatchObject({
    settings: ['HTTP_CONNECTIONS', 'HTTP_HEADERS_TIMEOUT_MS', 'HTTP_KEEP_ALIVE_MS'],
  });
  // Before Fastify, and through it.
  expect(await keptFor('/v1/tokens', shop, wanted)).toBe('timeout=5');
  expect(await keptFor('/v1/tokens', shop, { client: 'nobody' })).toBe('timeout=5');
  const { hostname, port } = new URL(broker.url);
  const open = () => connect(Number(port), hostname).on('error', () => {});
  const slow = open();
  slow.write('GET /health/live HTTP/1.1\r\nHost: broker\r\n');
  const [said] = (await once(slow, 'data')) as [Buffer];
  expect(said.toString()).toContain('HTTP/1.1 408 ');
  slow.destroy();
  // All of them at once: whoever came first stays.
  const sockets = Array.from({ length: 15 }, open);
  let closed = 0;
  for (const socket of sockets) socket.resume().on('close', () => (closed += 1));
  await eventually(() => closed >= 5 || undefined);
  expect(closed).toBeLessThan(15);
  for (const socket of sockets) socket.destroy();
  await putBack();
  expect(await keptFor('/v1/tokens', shop, wanted)).toBe('timeout=72');
});

it('several changes at once are one, and a folder that Kubernetes swaps is followed', async () => {
  const mounted = new SettingsFiles({ LOG_LEVEL: 'warn' }, first);
  mounted.swap();
  const following = await RunningBroker.start(sandbox, { ...mounted.env, LOG_FORMAT: 'json' });
  const itsLog = new SettingsLog(following);
  [mounted.lines, mounted.keys] = [{ LOG_LEVEL: 'info', RATE_LIMIT_PER_KEY: 99 }, `${first},${third}`];
  mounted.issuers = [issuer.settings([{ caller: 'till', subject: '*' }])];
  const settings = ['VAULT_KEYS', 'CALLER_JWT_ISSUERS_FILE', 'RATE_LIMIT_PER_KEY', 'LOG_LEVEL'];
  expect(await itsLog.after(() => mounted.swap())).toMatchObject({ by: 'file', settings });
  mounted.lines = { LOG_LEVEL: 'info' };
  expect(await itsLog.after(() => mounted.swap())).toMatchObject({ settings: ['RATE_LIMIT_PER_KEY'] });
  expect(itsLog.of('reloaded')).toHaveLength(2);
});

describe('a mistake changes nothing, is said once and without a value, and is over when it is mended', () => {
  const canary = anAsciiCanary('mistake').replaceAll(/[#=]/g, '');
  watch.canaries.add('what was wrong', canary);

  it.each<[string, () => void, RegExp]>([
    [
      'a setting that is out of its range, beside a good one',
      () => writeFileSync(files.path('settings'), `LOG_LEVEL=debug\nRATE_LIMIT_PER_KEY=${canary}\n`),
      /^RATE_LIMIT_PER_KEY must be a whole number from 1 to 1000000$/,
    ],
    [
      'half of the master keys',
      () => writeFileSync(files.path('keys'), `${first},${second.slice(0, 30)}`),
      /^VAULT_KEYS: master key 2 \(second\) must be base64 of 32 bytes$/,
    ],
    [
      'another key of the same id',
      () => writeFileSync(files.path('keys'), KeyRing.generate('first')),
      /^VAULT_KEYS: master key first has another value than before/,
    ],
    [
      'no key under which the vault is sealed',
      () => writeFileSync(files.path('keys'), second),
      /^VAULT_KEYS: master keys are missing under which records of the vault are sealed \(first: 4\): .*rekey$/,
    ],
    [
      'half of the issuers',
      () => writeFileSync(files.path('issuers'), `[{"issuer": "${canary}", `),
      /^CALLER_JWT_ISSUERS_FILE must hold a list of issuers in JSON$/,
    ],
    [
      'no settings file',
      () => rmSync(files.path('settings')),
      /^SETTINGS_FILE must name a file that can be read \(ENOENT\)$/,
    ],
  ])('%s', async (_, spoil, reason) => {
    const [before, loadedAt] = [log.of('unusable').length, await metric('loaded_timestamp_seconds')];
    const reloads = log.of('reloaded').length;
    const line = await log.after(spoil, 'unusable');
    expect(line).toMatchObject({ level: 'error', by: 'file', reason: expect.stringMatching(reason) });
    expect([await metric('reload_failed'), await metric('loaded_timestamp_seconds')]).toEqual([1, loadedAt]);
    expect((await broker.token(shop, wanted)).status).toBe(200);
    expect((await broker.admin('GET', '/v1/clients/acme')).status).toBe(200);
    await log.change(files, 'signal', 'unchanged');
    expect([await metric('reload_failed'), log.of('reloaded').length]).toEqual([0, reloads]);
    expect(log.of('unusable')).toHaveLength(before + 1);
  });
});

it('what needs a restart is named, and everything else is taken over', async () => {
  files.lines = { LOG_LEVEL: 'info', RATE_LIMIT_PER_KEY: 77, WAIT_BUDGET_MS: 9_999, HTTP_BODY_LIMIT_BYTES: 2_000 };
  const named = { level: 'warn', settings: ['HTTP_BODY_LIMIT_BYTES', 'WAIT_BUDGET_MS'] };
  expect(await log.change(files, 'signal', 'need_restart')).toMatchObject(named);
  expect(log.of('reloaded').at(-1)).toMatchObject({ settings: ['RATE_LIMIT_PER_KEY'] });
  await putBack();
  expect(log.of('need_restart')).toHaveLength(1);
});

it('what the environment says cannot be changed by the file', async () => {
  files.lines = { LOG_LEVEL: 'info', PORT: 1, ADMIN_KEY: 'another-key-of-the-built-in-admin' };
  expect(await log.change(files, 'signal', 'unchanged')).toMatchObject({ by: 'signal' });
  expect((await broker.admin('GET', '/v1/clients')).status).toBe(200);
  files.lines = { LOG_LEVEL: 'info' };
  files.write();
});

describe('SIGHUP', () => {
  it('with nothing changed says that, and nothing more', async () => {
    const reloads = log.of('reloaded').length;
    expect(await log.after(() => log.hangUp(), 'unchanged')).toMatchObject({ level: 'info', by: 'signal' });
    expect(log.of('reloaded')).toHaveLength(reloads);
  });

  it('a thousand times, with settings that change meanwhile, keeps nobody from a token', async () => {
    const over = new AbortController();
    const refused: unknown[] = [];
    const callers = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) {
        const { status } = await broker.token(shop, wanted);
        if (status !== 200) refused.push(status);
      }
    });
    for (let n = 1; n <= 1_000; n += 1) {
      if (n % 50 === 0) {
        files.lines = { LOG_LEVEL: 'info', RATE_LIMIT_PER_KEY: n };
        files.write();
      }
      log.hangUp();
      if (n % 10 === 0) await broker.admin('GET', '/health/live');
    }
    over.abort();
    await Promise.all(callers);
    expect(refused).toEqual([]);
    expect(await putBack()).toMatchObject({ settings: ['RATE_LIMIT_PER_KEY'] });
  });

  it('ends no process that is starting or draining', async () => {
    const env = { ...files.env, PATH: process.env['PATH'], PORT: '0', SHUTDOWN_DELAY_MS: '1000', LOG_FORMAT: 'json' };
    const main = join(root, 'dist/apps/broker/src/main.js');
    const child = spawn(process.execPath, [main], { cwd: aFolder(), env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += String(part)));
    const ended = once(child, 'exit');
    // As soon as the process says to the kernel that it wants to hear of the signal, the first of all.
    await eventually(() => {
      const caught = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? '0';
      return (BigInt(`0x${caught}`) & 1n) === 1n || undefined;
    });
    let sent = 0;
    const storm = setInterval(() => (sent += Number(child.kill('SIGHUP'))), 2);
    await eventually(() => output.includes('token-broker listening on ') || undefined, 15_000);
    child.kill('SIGTERM');
    await eventually(() => output.includes('"event":"draining"') || undefined);
    const before = sent;
    await eventually(() => sent > before + 20 || undefined);
    clearInterval(storm);
    const [code] = (await ended) as [number | null];
    expect([code, output.includes('internal_error')]).toEqual([0, false]);
  }, 30_000);
});

it('no secret has been logged or written, nor anything that was wrong', async () => {
  watch.hear(broker.process.output());
  watch.hear(readFileSync(join(folder, 'data/audit.jsonl'), 'utf8'));
  for (const [id, key] of [first, second, third].map((each) => each.split(':'))) watch.canaries.add(id!, key!);
  watch.canaries.add('admin key', broker.adminKey);
  expect(watch.heard).toContain('settings_unusable');
  expect(watch.told()).toEqual([]);
  expect(broker.process.output()).not.toMatch(/internal_error|unhandled|"level":"fatal"/);
});
