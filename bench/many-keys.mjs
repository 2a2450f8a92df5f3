/**
 * 100,000 keys in one broker: what they cost in memory, whether they slow it down, and what it takes to renew them over
 * their life while nobody asks.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { Redis } from 'ioredis';

import { keyLabel, tokenIdOf, tokenKey } from '../dist/libs/token/src/index.js';
import { KeyRing, Sealer } from '../dist/libs/vault/src/index.js';
import { median, send, startBrokers, startRedis, startSandbox, stopAll } from './processes.mjs';

const KEYS = Number(process.env.BENCH_KEYS ?? 100_000);
const TOKEN_BYTES = 1_024;
const LIFE_MS = 1_000 * Number(process.env.BENCH_LIFE_SECONDS ?? 3_600);
/** The share of its life after which a token is renewed: so old is the oldest. */
const RENEWED_AT = 0.75;
const UPSTREAM_MS = 50;
const BATCH = 2_000;
const CONNECTIONS = 32;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const ROUND_SECONDS = 2;
/** Nobody asks: processor time first, then the event loop, as watching it costs processor time. */
const QUIET_MS = 40_000;
const LOOP_MS = 20_000;
const IDLE_MS = 5_000;

export async function benchManyKeys() {
  const vaultKeys = KeyRing.generate('bench');
  const vitals = join(tmpdir(), `vitals-${randomBytes(6).toString('hex')}.sock`);
  const [sandbox, redis] = [
    await startSandbox(UPSTREAM_MS, { SANDBOX_EXPIRES_IN: String(LIFE_MS / 1_000) }),
    await startRedis(),
  ];
  const { brokers, key } = await startBrokers(1, sandbox, {
    REDIS_URL: redis.url,
    VAULT_KEYS: vaultKeys,
    BENCH_VITALS: vitals,
    NODE_OPTIONS: `--import ${join(import.meta.dirname, 'vitals.mjs')} ${process.env.BENCH_NODE_OPTIONS ?? ''}`,
  });
  const [broker] = brokers;
  const all = { broker, sandbox, redis };
  console.log(
    `Many keys: ${KEYS} keys, tokens of ${TOKEN_BYTES} bytes that live for ${LIFE_MS / 1_000} s, one replica`,
  );
  const load = generator(broker, key);

  await send('POST', `${broker.url}/v1/tokens`, key, { client: 'bench', merchant_vat: vatOf(0) });
  await load(1);
  await setTimeout(1_000);
  const idle = await quiet(all, IDLE_MS);
  const idleLoop = await ask(vitals, `/loop?ms=${IDLE_MS}`);
  const before = await ask(vitals, '/memory');
  console.log(
    `  one key: ${mb(before.rss)} MB resident, ${share(idle.cpuShare)} of a core, loop p99 ${idleLoop.p99Ms} ms`,
  );

  const loadedAt = performance.now();
  await fill(redis, vaultKeys, (vats) => askForAll(broker, key, vats, 2));
  const loadSeconds = (performance.now() - loadedAt) / 1_000;
  const after = await ask(vitals, '/memory');
  const perKey = { rss: (after.rss - before.rss) / KEYS, heap: (after.heapUsed - before.heapUsed) / KEYS };
  console.log(
    `  loaded in ${loadSeconds.toFixed(0)} s: ${mb(after.rss)} MB resident,` +
      ` per key ${Math.round(perKey.rss)} bytes resident, ${Math.round(perKey.heap)} in the heap`,
  );

  const rounds = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const counts = round % 2 ? [1, KEYS] : [KEYS, 1];
    const rate = {};
    for (const count of counts) rate[count] = await load(count);
    rounds.push({ one: rate[1], many: rate[KEYS], ratio: rate[KEYS] / rate[1] });
    console.log(`  round ${round}: one key ${Math.round(rate[1])}/s, ${KEYS} keys ${Math.round(rate[KEYS])}/s`);
  }
  const ratios = rounds.map(({ ratio }) => ratio).toSorted((a, b) => a - b);
  const ratio = median(ratios);

  await setTimeout(2_000);
  const alone = await quiet(all, QUIET_MS);
  const loop = await ask(vitals, `/loop?ms=${LOOP_MS}`);
  const end = await ask(vitals, '/memory');
  const cpuPerRenewalMs = ((alone.cpuShare - idle.cpuShare) * QUIET_MS) / alone.renewals;
  console.log(
    `  nobody asks, ${QUIET_MS / 1_000} s: ${alone.renewals} renewals, ${share(alone.cpuShare)} of a core` +
      ` (${cpuPerRenewalMs.toFixed(2)} ms a renewal; Redis ${share(alone.redisShare)}, sandbox ${share(alone.sandboxShare)});` +
      ` loop delay p99 ${loop.p99Ms} ms, longest ${loop.longestMs}; resident at the end ${mb(end.rss)} MB\n`,
  );
  const shown = { ratio, perKey, alone, loop };
  await stopAll(broker, sandbox, redis);
  rmSync(vitals, { force: true });
  return section({ ...shown, before, after, end, idle, idleLoop, ratios, rounds, cpuPerRenewalMs });
}

function section({ ratio, ratios, rounds, perKey, alone, idle, loop, idleLoop, before, after, end, cpuPerRenewalMs }) {
  const range = `${ratios[0].toFixed(2)} to ${ratios.at(-1).toFixed(2)}`;
  const typical = (which) => Math.round(median(rounds.map((round) => round[which])));
  return {
    id: 'many-keys',
    title: 'Many keys',
    ran: new Date().toISOString(),
    rows: [
      {
        measure: `${shownCount(KEYS)} keys in memory against 1 key, requests per second`,
        wanted: '≥ 0.9',
        found: `${ratio.toFixed(2)} (${range})`,
        reached: ratio >= 0.9,
      },
      {
        measure: `${shownCount(KEYS)} keys, tokens of 1 KB: resident memory per key`,
        wanted: '≤ 2.5 KB',
        found: `${kb(perKey.rss)} KB (${kb(perKey.heap)} in the heap)`,
        reached: perKey.rss <= 2_500,
      },
      {
        measure: `renewing ${shownCount(KEYS)} keys while nobody asks: processor time`,
        wanted: '≤ 3 % of a core',
        found: `${share(alone.cpuShare)} of a core (${share(idle.cpuShare)} with one key)`,
        reached: alone.cpuShare <= 0.03,
      },
      {
        measure: `renewing ${shownCount(KEYS)} keys while nobody asks: event loop delay p99`,
        wanted: '≤ 10 ms',
        found: `${loop.p99Ms} ms (${idleLoop.p99Ms} with one key)`,
        reached: loop.p99Ms <= 10,
      },
    ],
    charts: [
      {
        name: 'many-keys',
        title: `Requests per second, one key and ${shownCount(KEYS)}`,
        kind: 'bars',
        unit: 'requests/s',
        items: [
          { label: 'one key', ...spread(rounds, 'one') },
          { label: `${shownCount(KEYS)} keys`, ...spread(rounds, 'many') },
        ],
      },
    ],
    notes: [
      `One broker with Redis; tokens of ${TOKEN_BYTES} characters that live for ${LIFE_MS / 1_000} s, their ages spread evenly from none to` +
        ` ${RENEWED_AT * 100} % of that. The broker, Redis, the sandbox and the load generator share the machine.`,
      `Load from ${hasWrk() ? 'wrk' : 'autocannon'} over ${CONNECTIONS} connections, one key or random ones, in turns: ${ROUNDS} rounds of` +
        ` ${ROUND_SECONDS} s each; typical rates ${typical('one')}/s and ${typical('many')}/s.`,
      `Memory is measured after garbage collection: ${mb(before.rss)} MB resident with one key, ${mb(after.rss)} MB with all,` +
        ` ${mb(end.rss)} MB after the load and the renewals.`,
      `With no callers for ${QUIET_MS / 1_000} s: ${alone.renewals} renewals, ${(alone.renewals / (QUIET_MS / 1_000)).toFixed(1)} a second, upstream` +
        ` ${UPSTREAM_MS} ms; ${cpuPerRenewalMs.toFixed(2)} ms of processor time each. Redis took ${share(alone.redisShare)} of a core, the sandbox` +
        ` ${share(alone.sandboxShare)}.`,
      `The event loop was watched for ${LOOP_MS / 1_000} s after that, every ${loop.resolutionMs} ms, which each delay contains: median` +
        ` ${loop.medianMs} ms, longest ${loop.longestMs} ms; with one key ${idleLoop.medianMs} and ${idleLoop.longestMs} ms.`,
    ],
  };
}

/** Fills Redis with what the store would have written for as many tokens, a batch at a time.
 *  @param onBatch is handed the merchants of each */
async function fill({ port }, vaultKeys, onBatch) {
  const client = new Redis(port);
  const sealer = new Sealer(KeyRing.parse(vaultKeys));
  const [label] = await client.zrange('tb:{labels}', 0, 0);
  const { s } = await client.hgetall(`tb:{k:${label.slice(-43)}}`);
  const subject = JSON.parse(s);
  for (let from = 0; from < KEYS; from += BATCH) {
    const indexes = Array.from({ length: Math.min(BATCH, KEYS - from) }, (_, i) => from + i);
    const now = Date.now();
    const records = await Promise.all(indexes.map((index) => record(sealer, subject, index, now)));
    const pipeline = client.pipeline();
    for (const { key, fields, remainingMs } of records) {
      pipeline.hset(`tb:{k:${key.id}}`, fields);
      pipeline.pexpire(`tb:{k:${key.id}}`, remainingMs + 60_000);
      pipeline.zadd('tb:{labels}', 0, keyLabel(key));
      pipeline.zadd('tb:{labels}:until', now + remainingMs, keyLabel(key));
    }
    await pipeline.exec();
    await onBatch(indexes.map(vatOf));
  }
  client.disconnect();
}

async function record(sealer, subject, index, now) {
  const key = tokenKey({ ...subject, merchantVat: vatOf(index) });
  const value = randomBytes((TOKEN_BYTES * 3) / 4).toString('base64url');
  // Ages in no order of the keys.
  const ageMs = Math.floor(((index * 0.618_033_988_75) % 1) * RENEWED_AT * LIFE_MS);
  const generation = (now - ageMs) * 1_000;
  const place = { purpose: 'token', record: key.id, version: generation };
  const fields = {
    s: JSON.stringify(key.subject),
    t: await sealer.seal(JSON.stringify([value, 'Bearer', 'integrator_scope']), place),
    tg: generation,
    lg: generation,
    tx: now - ageMs + LIFE_MS,
    tl: LIFE_MS,
    ti: tokenIdOf(value),
    tb: 'bench/0',
  };
  return { key, fields, remainingMs: LIFE_MS - ageMs };
}

/** Asks for every merchant's token as often as said, over connections that stay open. */
async function askForAll({ url }, key, vats, times) {
  const { hostname, port } = new URL(url);
  const wanted = Array.from({ length: times }, () => vats).flat();
  const next = wanted.values();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect(Number(port), hostname).setNoDelay();
      await once(socket, 'connect');
      for (const merchant of next) await exchange(socket, rawRequest(key, merchant));
      socket.destroy();
    }),
  );
}

function rawRequest(key, merchant_vat) {
  const body = JSON.stringify({ client: 'bench', merchant_vat });
  return (
    `POST /v1/tokens HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

function exchange(socket, text) {
  return new Promise((resolve, reject) => {
    let answer = '';
    const read = (chunk) => {
      answer += chunk.toString('latin1');
      const end = answer.indexOf('\r\n\r\n');
      const [, length] = /content-length: (\d+)/i.exec(answer) ?? [];
      if (end < 0 || answer.length < end + 4 + Number(length)) return;
      socket.off('data', read);
      if (answer.startsWith('HTTP/1.1 200')) resolve();
      else reject(new Error(answer));
    };
    socket.on('data', read);
    socket.write(text);
  });
}

/** @returns what puts the broker under load for a round, asking for so many keys, and answers requests per second */
function generator({ url }, key) {
  return (count) => (hasWrk() ? underWrk(url, key, count) : underAutocannon(url, key, count));
}

/** The same script for one key and for many: it costs the generator the same. */
async function underWrk(url, key, count) {
  const child = spawn(
    'wrk',
    [
      '-t1',
      `-c${CONNECTIONS}`,
      `-d${ROUND_SECONDS}s`,
      '-s',
      join(import.meta.dirname, 'random-keys.lua'),
      `${url}/v1/tokens`,
    ],
    { env: { ...process.env, BENCH_KEY: key, BENCH_COUNT: String(count) }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more) => (text += more));
  await once(child, 'close');
  if (/Non-2xx|Socket errors/.test(text) || child.exitCode !== 0) throw new Error(`wrk: ${text}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]);
}

async function underAutocannon(url, key, count) {
  const { default: autocannon } = await import('autocannon');
  const body = () => JSON.stringify({ client: 'bench', merchant_vat: vatOf(Math.floor(Math.random() * count)) });
  const result = await autocannon({
    url: `${url}/v1/tokens`,
    connections: CONNECTIONS,
    duration: ROUND_SECONDS,
    requests: [
      {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        setupRequest: (wanted) => ({ ...wanted, body: body() }),
      },
    ],
  });
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${result.non2xx} refused, ${result.errors} failed`);
  return result.requests.total / result.duration;
}

function hasWrk() {
  try {
    execFileSync('which', ['wrk'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What the processes did in a while in which nobody asks, as shares of a core. */
async function quiet({ broker, redis, sandbox }, ms) {
  const calls = async () => (await send('GET', `${sandbox.url}/_sandbox/stats`, '')).token_calls;
  const all = [broker, redis, sandbox];
  const callsBefore = await calls();
  const startedAt = performance.now();
  const cpuBefore = all.map(({ child }) => cpuMs(child.pid));
  await setTimeout(ms);
  const spanMs = performance.now() - startedAt;
  const [cpuShare, redisShare, sandboxShare] = all.map(({ child }, i) => (cpuMs(child.pid) - cpuBefore[i]) / spanMs);
  return { renewals: (await calls()) - callsBefore, cpuShare, redisShare, sandboxShare };
}

/** CPU time that a process has used, in ms, to the nearest 10; NaN where there is no /proc. */
function cpuMs(pid) {
  if (!existsSync(`/proc/${pid}/stat`)) return Number.NaN;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function ask(socketPath, path) {
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more) => (text += more));
      response.on('end', () => resolve(JSON.parse(text)));
    })
      .on('error', reject)
      .end();
  });
}

function vatOf(index) {
  return `DK${String(index).padStart(8, '0')}`;
}

function spread(rounds, which) {
  const values = rounds.map((round) => Math.round(round[which])).toSorted((a, b) => a - b);
  return { value: median(values), low: values[0], high: values.at(-1) };
}

function share(part) {
  return `${(part * 100).toFixed(1)} %`;
}

function kb(bytes) {
  return (bytes / 1_000).toFixed(2);
}

function mb(bytes) {
  return Math.round(bytes / 1e6);
}

function shownCount(count) {
  return count.toLocaleString('en-US');
}
