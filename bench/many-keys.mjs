/**
 * 100,000 keys in one broker: what they cost in memory, whether they slow it down, and what it takes to renew them over
 * their life while nobody asks.
 *
 * BENCH_KEYS and BENCH_LIFE_SECONDS make it a shorter one.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Redis } from 'ioredis';

import { keyLabel, tokenIdOf, tokenKey } from '../dist/libs/token/src/index.js';
import { KeyRing, Sealer } from '../dist/libs/vault/src/index.js';
import { CONNECTIONS, load, loadNote } from './load.mjs';
import {
  cores,
  cpuMs,
  folder,
  launch,
  median,
  said,
  send,
  spread,
  startBrokers,
  startRedis,
  startSandbox,
  stopAll,
} from './processes.mjs';

const KEYS = Number(process.env.BENCH_KEYS ?? 100_000);
const LIFE_MS = 1_000 * Number(process.env.BENCH_LIFE_SECONDS ?? 3_600);
const TOKEN_BYTES = 1_024;
/** The share of its life after which a token is renewed: so old is the oldest. */
const RENEWED_AT = 0.75;
const UPSTREAM_MS = 50;
const BATCH = 2_000;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const ROUND_SECONDS = 2;
/** Nobody asks: processor time first, then the event loop, as watching it costs processor time. */
const QUIET_MS = 40_000;
const LOOP_MS = 20_000;
const IDLE_MS = 5_000;
const BARE_MS = 10_000;

export async function benchManyKeys() {
  const vaultKeys = KeyRing.generate('bench');
  const vitals = join(folder, 'vitals.sock');
  const others = { core: cores?.others };
  const sandbox = await startSandbox(UPSTREAM_MS, { SANDBOX_EXPIRES_IN: String(LIFE_MS / 1_000) }, others);
  const redis = await startRedis(others);
  const settings = { REDIS_URL: redis.url, VAULT_KEYS: vaultKeys, BENCH_VITALS: vitals };
  const nodeArgs = [
    '--import',
    join(import.meta.dirname, 'vitals.mjs'),
    ...(process.env.BENCH_NODE_ARGS ?? '').split(' ').filter(Boolean),
  ];
  const { brokers, key } = await startBrokers(1, sandbox, settings, { core: cores?.server, nodeArgs });
  const [broker] = brokers;
  const all = { broker, sandbox, redis };
  console.log(
    `Many keys: ${KEYS} keys, tokens of ${TOKEN_BYTES} bytes that live for ${LIFE_MS / 1_000} s, one replica`,
  );
  const under = (count) => load(target(broker, key, count), { seconds: ROUND_SECONDS });

  await askForAll(broker, key, [vatOf(0)], 2);
  await under(1);
  await sleep(1_000);
  const idle = await quiet(all, IDLE_MS);
  const idleLoop = await ask(vitals, `/loop?ms=${IDLE_MS}`);
  const before = await ask(vitals, '/memory');
  console.log(`  one key: ${mb(before.rss)} MB resident, ${share(idle.cpu)} of a core, loop p99 ${idleLoop.p99Ms} ms`);

  const loadedAt = performance.now();
  await fill(redis, vaultKeys, (vats) => askForAll(broker, key, vats, 2));
  const after = await ask(vitals, '/memory');
  const perKey = { rss: (after.rss - before.rss) / KEYS, heap: (after.heapUsed - before.heapUsed) / KEYS };
  console.log(
    `  loaded in ${Math.round((performance.now() - loadedAt) / 1_000)} s: ${mb(after.rss)} MB resident,` +
      ` per key ${Math.round(perKey.rss)} bytes resident, ${Math.round(perKey.heap)} in the heap`,
  );

  const rounds = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const seen = {};
    for (const count of round % 2 ? [1, KEYS] : [KEYS, 1]) seen[count] = await under(count);
    const { [1]: one, [KEYS]: many } = seen;
    rounds.push({ one, many, ratio: many.perSecond / one.perSecond, byCpu: one.cpuUs / many.cpuUs });
    console.log(
      `  round ${round}: one key ${Math.round(one.perSecond)}/s, ${KEYS} keys ${Math.round(many.perSecond)}/s`,
    );
  }

  await sleep(2_000);
  const alone = await quiet(all, QUIET_MS);
  const loop = await ask(vitals, `/loop?ms=${LOOP_MS}`);
  const end = await ask(vitals, '/memory');
  await stopAll(broker);
  const perSecond = alone.renewals / (QUIET_MS / 1_000);
  const bareCpu = await bareRenewals(redis, sandbox, perSecond);
  console.log(
    `  nobody asks, ${QUIET_MS / 1_000} s: ${alone.renewals} renewals, ${share(alone.cpu)} of a core; a bare process with as` +
      ` many calls ${share(bareCpu)}; Redis ${share(alone.redisCpu)}, sandbox ${share(alone.sandboxCpu)};\n` +
      `  loop delay p99 ${loop.p99Ms} ms, longest ${loop.longestMs}; resident at the end ${mb(end.rss)} MB\n`,
  );
  await stopAll(sandbox, redis);
  return section({ rounds, perKey, alone, perSecond, bareCpu, loop, before, after, end, idle, idleLoop });
}

function section({ rounds, perKey, alone, perSecond, bareCpu, idle, loop, idleLoop, before, after, end }) {
  const ratios = rounds.map(({ ratio }) => ratio);
  const keys = KEYS.toLocaleString('en-US');
  const ofLoad = (which) => {
    const values = rounds.map((round) => Math.round(round[which].perSecond));
    return { value: median(values), low: Math.min(...values), high: Math.max(...values) };
  };
  const cpuMsEach = ((alone.cpu - idle.cpu) * 1_000) / perSecond;
  return {
    id: 'many-keys',
    title: 'Many keys',
    ran: new Date().toISOString(),
    rows: [
      {
        measure: `${keys} keys in memory against 1 key, requests per second`,
        wanted: '≥ 0.9',
        found: `${spread(ratios)}; by processor time ${spread(rounds.map(({ byCpu }) => byCpu))}`,
        reached: median(ratios) >= 0.9,
      },
      {
        measure: `${keys} keys, tokens of 1 KB: resident memory per key`,
        wanted: '≤ 2.5 KB',
        found: `${kb(perKey.rss)} KB (${kb(perKey.heap)} in the heap)`,
        reached: perKey.rss <= 2_500,
      },
      {
        measure: `renewing ${keys} keys while nobody asks: processor time`,
        wanted: '≤ 3 % of a core',
        found: `${share(alone.cpu)} (${share(idle.cpu)} with one key; a bare process with as many calls ${share(bareCpu)})`,
        reached: alone.cpu <= 0.03,
      },
      {
        measure: `renewing ${keys} keys while nobody asks: event loop delay p99`,
        wanted: '≤ 10 ms',
        found: `${loop.p99Ms} ms (${idleLoop.p99Ms} with one key)`,
        reached: loop.p99Ms <= 10,
      },
    ],
    charts: [
      {
        name: 'many-keys',
        title: `Requests per second, one key and ${keys}`,
        kind: 'bars',
        unit: 'requests/s',
        items: [
          { label: 'one key', ...ofLoad('one') },
          { label: `${keys} keys`, ...ofLoad('many') },
        ],
      },
    ],
    notes: [
      `One broker with Redis; tokens of ${TOKEN_BYTES} characters that live for ${LIFE_MS / 1_000} s, their ages spread evenly from none` +
        ` to ${RENEWED_AT * 100} % of that; one caller, who has asked for each of them twice.`,
      `${loadNote} One key or random ones, in turns, ${ROUNDS} rounds of ${ROUND_SECONDS} s each. Redis and the sandbox run on the load's core.`,
      `Memory is measured after garbage collection: ${mb(before.rss)} MB resident with one key, ${mb(after.rss)} MB with all, ${mb(end.rss)} MB` +
        ` after the load and the renewals.`,
      `With no callers for ${QUIET_MS / 1_000} s: ${alone.renewals} renewals, ${perSecond.toFixed(1)} a second, by an upstream of ${UPSTREAM_MS} ms;` +
        ` ${cpuMsEach.toFixed(2)} ms of processor time each. Redis took ${share(alone.redisCpu)} of a core, the sandbox` +
        ` ${share(alone.sandboxCpu)}. A bare process that does nothing with the answers, four trips to Redis and one call by node:http` +
        ` for each renewal, as many a second: ${share(bareCpu)}.`,
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

/** The same script for one key and for many: it costs the generator the same. */
function target({ url, child }, key, count) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ client: 'bench', merchant_vat: 'DK#' });
  return { name: 'broker', url, child, path: '/v1/tokens', headers, body, count };
}

/** What the processes did in a while in which nobody asks: renewals, and shares of a core. */
async function quiet({ broker, redis, sandbox }, ms) {
  const calls = async () => (await send('GET', `${sandbox.url}/_sandbox/stats`, '')).token_calls;
  const all = [broker, redis, sandbox];
  const callsBefore = await calls();
  const startedAt = performance.now();
  const cpuBefore = all.map(({ child }) => cpuMs(child));
  await sleep(ms);
  const spanMs = performance.now() - startedAt;
  const [cpu, redisCpu, sandboxCpu] = all.map(({ child }, i) => (cpuMs(child) - cpuBefore[i]) / spanMs);
  return { renewals: (await calls()) - callsBefore, cpu, redisCpu, sandboxCpu };
}

/** What as many calls cost a process that does nothing else, as a share of a core: the platform's part. */
async function bareRenewals(redis, sandbox, perSecond) {
  const script = join(import.meta.dirname, 'contenders/bare-renewals.mjs');
  const url = `${sandbox.url}/integrator-authentication/connect/token`;
  const args = [script, String(redis.port), url, perSecond.toFixed(1)];
  const child = launch(process.execPath, args, { PATH: process.env.PATH }, cores?.server);
  await said(child, /(started)/);
  await sleep(2_000);
  const [before, startedAt] = [cpuMs(child), performance.now()];
  await sleep(BARE_MS);
  const cpu = (cpuMs(child) - before) / (performance.now() - startedAt);
  await stopAll({ child });
  return cpu;
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

function share(part) {
  return `${(part * 100).toFixed(1)} %`;
}

function kb(bytes) {
  return (bytes / 1_000).toFixed(2);
}

function mb(bytes) {
  return Math.round(bytes / 1e6);
}
