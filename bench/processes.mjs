/** Processes that a benchmark starts, in a folder of their own, and ends when it does; and the calls to set them up. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { isAbsolute, join } from 'node:path';

import { findRedis } from '../dist/test/support/redis-binaries.js';
import { lockedZip } from '../dist/apps/demo/src/locked-zip.js';

export const root = join(import.meta.dirname, '..');
export const vat = 'DK90000028';

const children = new Set();
mkdirSync(join(root, '.cache'), { recursive: true });
const folder = mkdtempSync(join(root, '.cache/bench-'));
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Starts a script of the project and waits until it says where it listens. */
export async function start(entry, env) {
  const child = launch(process.execPath, [isAbsolute(entry) ? entry : join(root, entry)], {
    PATH: process.env.PATH,
    ...env,
  });
  const url = await said(child, /listening on (http\S+)/);
  return { child, url };
}

export function startSandbox(latencyMs, env = {}) {
  return start('dist/apps/sandbox/src/main.js', { SANDBOX_PORT: '0', SANDBOX_LATENCY_MS: String(latencyMs), ...env });
}

/** A real Redis, empty. */
export async function startRedis() {
  const { server, env } = await findRedis();
  const port = await freePort();
  const quiet = ['--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--port', String(port)];
  const child = launch(server, quiet, { PATH: process.env.PATH, ...env });
  await said(child, /(Ready to accept connections)/);
  return { child, port, url: `redis://127.0.0.1:${port}` };
}

/** Replicas that share a vault, a Redis if one is given, and one caller who may have every token of the client "bench".
 *  @param from the checkout whose build they run */
export async function startBrokers(count, sandbox, env = {}, from = root) {
  const entry = join(from, 'dist/apps/broker/src/main.js');
  const adminKey = randomBytes(24).toString('hex');
  const settings = {
    PORT: '0',
    ADMIN_KEY: adminKey,
    VAULT_KEYS: `bench:${randomBytes(32).toString('base64')}`,
    VAULT_PATH: join(folder, `${randomBytes(6).toString('hex')}.json`),
    UPSTREAM_SANDBOX_URL: `${sandbox.url}/integrator-authentication`,
    LOG_LEVEL: 'warn',
    ...env,
  };
  const first = await start(entry, settings);
  const key = await prepare(first, sandbox, adminKey);
  const others = Array.from({ length: count - 1 }, () => start(entry, settings));
  return { brokers: [first, ...(await Promise.all(others))], key, adminKey };
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

/** @returns the key of a caller that gets tokens */
async function prepare(broker, sandbox, adminKey) {
  const credentials = {
    client_id: `bench-${randomBytes(6).toString('hex')}`,
    client_secret: randomBytes(24).toString('base64'),
  };
  await send('POST', `${sandbox.url}/_sandbox/clients`, '', credentials);
  const form = new FormData();
  form.set('archive', new Blob([await lockedZip(credentials, 'bench')]), 'bench.zip');
  form.set('password', 'bench');
  form.set('name', 'bench');
  await send('POST', `${broker.url}/v1/clients/import`, adminKey, form);
  const caller = { roles: ['token'], grants: [{ client: 'bench', merchants: ['*'], unrestricted: false }] };
  await send('PUT', `${broker.url}/v1/callers/bench`, adminKey, caller);
  return (await send('POST', `${broker.url}/v1/callers/bench/keys`, adminKey, {})).key;
}

function launch(command, args, env) {
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  return child;
}

function said(child, pattern) {
  let text = '';
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${child.spawnargs.join(' ')} ended with ${code}`)));
    child.stdout.setEncoding('utf8').on('data', (more) => {
      text = (text + more).slice(-4_096);
      const [, found] = pattern.exec(text) ?? [];
      if (found !== undefined) resolve(found);
    });
  });
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}
