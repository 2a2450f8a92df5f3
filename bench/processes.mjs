/** Processes that a benchmark starts, in a folder of their own, and ends when it does; and the calls to set them up. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

import { findRedis } from '../dist/test/support/redis-binaries.js';
import { lockedZip } from '../dist/apps/demo/src/locked-zip.js';

export const root = join(import.meta.dirname, '..');
export const vat = 'DK90000028';

/** Where a process runs that is measured, and where all others do: on cores of their own, if there are two and `taskset`. */
export const cores = availableParallelism() > 1 && onPath('taskset') ? { server: 0, others: 1 } : undefined;

const children = new Set();
mkdirSync(join(root, '.cache'), { recursive: true });
/** Nobody else's, and gone at the end. */
export const folder = mkdtempSync(join(root, '.cache/bench-'));
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Starts a script of the project and waits until it says where it listens.
 *  @param options `core` to run on, `nodeArgs` before the script */
export async function start(entry, env, { core, nodeArgs = [] } = {}) {
  const script = isAbsolute(entry) ? entry : join(root, entry);
  const child = launch(process.execPath, [...nodeArgs, script], { PATH: process.env.PATH, ...env }, core);
  const url = await said(child, /listening on (http\S+)/);
  return { child, url };
}

export function startSandbox(latencyMs, env = {}, options = {}) {
  const settings = { SANDBOX_PORT: '0', SANDBOX_LATENCY_MS: String(latencyMs), ...env };
  return start('dist/apps/sandbox/src/main.js', settings, options);
}

/** A real Redis, empty. */
export async function startRedis({ core } = {}) {
  const { server, env } = await findRedis();
  const port = await freePort();
  const quiet = ['--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--port', String(port)];
  const child = launch(server, quiet, { PATH: process.env.PATH, ...env }, core);
  await said(child, /(Ready to accept connections)/);
  return { child, port, url: `redis://127.0.0.1:${port}` };
}

/** Replicas that share a vault, a Redis if one is given, and one caller who may have every token of the client "bench".
 *  Audit is on, to a file.
 *  @param from the checkout whose build they run */
export async function startBrokers(count, sandbox, env = {}, { from = root, ...options } = {}) {
  const entry = join(from, 'dist/apps/broker/src/main.js');
  const adminKey = randomBytes(24).toString('hex');
  const settings = {
    PORT: '0',
    ADMIN_KEY: adminKey,
    VAULT_KEYS: `bench:${randomBytes(32).toString('base64')}`,
    VAULT_PATH: join(folder, `${randomBytes(6).toString('hex')}.json`),
    UPSTREAM_SANDBOX_URL: `${sandbox.url}/integrator-authentication`,
    LOG_LEVEL: 'warn',
    AUDIT_LOG: join(folder, `${randomBytes(6).toString('hex')}.jsonl`),
    ...env,
  };
  const first = await start(entry, settings, options);
  await importClient(first, sandbox, adminKey, 'bench');
  const key = await createCaller(first, adminKey);
  const others = Array.from({ length: count - 1 }, () => start(entry, settings, options));
  return { brokers: [first, ...(await Promise.all(others))], key, adminKey, settings, entry };
}

export async function stopAll(...servers) {
  for (const { child } of servers) {
    children.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

export async function send(method, url, bearer, content) {
  const isForm = content instanceof FormData;
  const isJson = content !== undefined && !isForm;
  const headers = { authorization: `Bearer ${bearer}`, ...(isJson && { 'content-type': 'application/json' }) };
  const init = { method, headers, body: isJson ? JSON.stringify(content) : content };
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return text === '' ? {} : JSON.parse(text);
}

export function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** "1.42 (1.35 to 1.51)": the median, and from where to where the values lie, unless they are all the same. */
export function spread(values, digits = 2) {
  const [middle, low, high] = [median(values), Math.min(...values), Math.max(...values)].map((value) =>
    value.toFixed(digits),
  );
  return low === high ? middle : `${middle} (${low} to ${high})`;
}

/** @returns the credentials of a client that the sandbox knows from now on */
export async function registerClient(sandbox) {
  const credentials = {
    client_id: `bench-${randomBytes(6).toString('hex')}`,
    client_secret: randomBytes(24).toString('base64'),
  };
  await send('POST', `${sandbox.url}/_sandbox/clients`, '', credentials);
  return credentials;
}

export async function importClient(broker, sandbox, adminKey, name) {
  const credentials = await registerClient(sandbox);
  const form = new FormData();
  form.set('archive', new Blob([await lockedZip(credentials, 'bench')]), 'bench.zip');
  form.set('password', 'bench');
  form.set('name', name);
  await send('POST', `${broker.url}/v1/clients/import`, adminKey, form);
}

/** What the one caller may have: the grants of the brokers' caller and of the other contenders'. */
export const grants = [{ client: 'bench', merchants: ['*'], unrestricted: false }];

/** @returns the key of a caller that gets tokens */
async function createCaller(broker, adminKey) {
  await send('PUT', `${broker.url}/v1/callers/bench`, adminKey, { roles: ['token'], grants });
  return (await send('POST', `${broker.url}/v1/callers/bench/keys`, adminKey, {})).key;
}

/** CPU time that a process has used, in ms; NaN where there is no /proc. */
export function cpuMs({ pid }) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

/** Starts a process that ends with this one. */
export function launch(command, args, env, core) {
  const pinned = core === undefined ? [command, ...args] : ['taskset', '-c', String(core), command, ...args];
  const child = spawn(pinned[0], pinned.slice(1), { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Waits until a process prints something.
 *  @returns the pattern's first group */
export function said(child, pattern) {
  let text = '';
  return new Promise((resolve, reject) => {
    const ended = (code) => reject(new Error(`${child.spawnargs.join(' ')} ended with ${code}`));
    const read = (more) => {
      text = (text + more).slice(-4_096);
      const [, found] = pattern.exec(text) ?? [];
      if (found === undefined) return;
      child.off('exit', ended);
      child.stdout.off('data', read).resume();
      resolve(found);
    };
    child.once('exit', ended);
    child.stdout.setEncoding('utf8').on('data', read);
  });
}

export function onPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((path) => {
    try {
      accessSync(join(path, command), constants.X_OK);
      return path !== '';
    } catch {
      return false;
    }
  });
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}
