/**
 * Requests per second of the hot path, a fresh token in memory, beside bare Fastify doing the same work.
 *
 * The machine may be shared and noisy: both servers run all the time, take turns in short rounds under the same load,
 * and what counts is the median of the rounds' ratios. BENCH_ROUNDS (default 7) and BENCH_SECONDS (default 3) say how
 * many rounds, and how long each server is under load in one.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import autocannon from 'autocannon';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 3);
const CONNECTIONS = 32;
const AT_LEAST = 0.6;

const root = join(import.meta.dirname, '..');
const vat = 'DK90000028';
const children = [];
mkdirSync(join(root, '.cache'), { recursive: true });
const folder = mkdtempSync(join(root, '.cache/bench-'));
const stop = () => {
  for (const { child } of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
};
process.once('exit', stop);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const adminKey = randomBytes(24).toString('hex');
const sandbox = await start('dist/apps/sandbox/src/main.js', { SANDBOX_PORT: '0', SANDBOX_LATENCY_MS: '0' });
const broker = await start('dist/apps/broker/src/main.js', {
  PORT: '0',
  ADMIN_KEY: adminKey,
  UPSTREAM_SANDBOX_URL: `${sandbox.url}/integrator-authentication`,
});
const key = await prepare();
const body = JSON.stringify({ client: 'bench', merchant_vat: vat });
const first = await send('POST', `${broker.url}/v1/tokens`, key, JSON.parse(body));
const bare = await start('bench/bare-fastify.mjs', { BENCH_KEY: key, BENCH_TOKEN: first.access_token });
const second = await send('POST', `${bare.url}/v1/tokens`, key, JSON.parse(body));
if (Object.keys(first).join() !== Object.keys(second).join()) throw new Error('the two servers answer differently');

console.log(`${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s each, Node ${process.version}\n`);
await Promise.all([load(broker), load(bare)]); // Warm both up, together, and throw that away.
const rounds = [];
for (let round = 1; round <= ROUNDS; round += 1) {
  // Whoever goes first in one round goes second in the next.
  const order = round % 2 ? [broker, bare] : [bare, broker];
  const results = new Map();
  for (const server of order) results.set(server, await load(server));
  const [ours, theirs] = [results.get(broker), results.get(bare)];
  rounds.push({ ours, theirs, ratio: ours.perSecond / theirs.perSecond });
  console.log(
    `round ${round}: broker ${show(ours)}   bare Fastify ${show(theirs)}   ${rounds.at(-1).ratio.toFixed(2)}`,
  );
}
const ratio = median(rounds.map((each) => each.ratio));
const typical = (who) => Math.round(median(rounds.map((each) => each[who].perSecond)));
console.log(`\nhot path: broker ${typical('ours')} requests/s, bare Fastify ${typical('theirs')} requests/s`);
console.log(
  `ratio ${ratio.toFixed(2)}, median of ${ROUNDS}; wanted ${AT_LEAST}: ${ratio >= AT_LEAST ? 'reached' : 'NOT reached'}`,
);
process.exit();

/** @returns the key of a caller that gets tokens */
async function prepare() {
  const { lockedZip } = await import('../dist/apps/demo/src/locked-zip.js');
  const credentials = { client_id: 'bench', client_secret: randomBytes(24).toString('base64') };
  await send('POST', `${sandbox.url}/_sandbox/clients`, '', credentials);
  const form = new FormData();
  form.set('archive', new Blob([await lockedZip(credentials, 'bench')]), 'bench.zip');
  form.set('password', 'bench');
  await send('POST', `${broker.url}/v1/clients/import`, adminKey, form);
  const caller = { roles: ['token'], grants: [{ client: 'bench', merchants: [vat], unrestricted: false }] };
  await send('PUT', `${broker.url}/v1/callers/bench`, adminKey, caller);
  return (await send('POST', `${broker.url}/v1/callers/bench/keys`, adminKey, {})).key;
}

async function send(method, url, bearer, content) {
  const isForm = content instanceof FormData;
  const init = {
    method,
    headers: { authorization: `Bearer ${bearer}`, ...(!isForm && { 'content-type': 'application/json' }) },
    body: isForm ? content : JSON.stringify(content),
  };
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return text === '' ? {} : JSON.parse(text);
}

async function load({ url, child }) {
  const cpuBefore = cpuMs(child.pid);
  const result = await autocannon({
    url: `${url}/v1/tokens`,
    method: 'POST',
    connections: CONNECTIONS,
    duration: SECONDS,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} failed`);
  const requests = result.requests.total;
  return { perSecond: requests / result.duration, cpu: (cpuMs(child.pid) - cpuBefore) / 1_000 / result.duration };
}

/** CPU time that a process has used, in ms; NaN where there is no /proc. */
function cpuMs(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

async function start(entry, env) {
  const child = spawn(process.execPath, [join(root, entry)], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const server = { child, url: '' };
  children.push(server);
  let said = '';
  await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${entry} ended with ${code}`)));
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said = (said + text).slice(-4_096);
      server.url ||= /listening on (http\S+)/.exec(said)?.[1] ?? '';
      if (server.url !== '') resolve();
    });
  });
  return server;
}

function show({ perSecond, cpu }) {
  return `${String(Math.round(perSecond)).padStart(6)}/s (${Math.round(cpu * 100)} % of a core)`;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
