/** Many callers of a key that nobody has yet, all at once: of replicas of the broker, and of services without one. */
import { once } from 'node:events';
import { connect } from 'node:net';

import { upstreamSettings } from './contenders.mjs';
import { median, send, spread, start, startBrokers, startRedis, startSandbox, stopAll } from './processes.mjs';

const REPLICAS = 6;
const CALLERS = 100;
const UPSTREAM_MS = 200;
const COLD_ROUNDS = 9;

export async function benchColdCallers() {
  const [sandbox, redis] = [await startSandbox(UPSTREAM_MS), await startRedis()];
  console.log(
    `Cold key: ${REPLICAS} replicas × ${CALLERS} callers, upstream of ${UPSTREAM_MS} ms, ${COLD_ROUNDS} keys`,
  );
  const { brokers, key } = await startBrokers(REPLICAS, sandbox, { REDIS_URL: redis.url });
  const broker = await coldRounds('broker', brokers, key, sandbox, 'DK0000');
  await stopAll(...brokers, redis);
  const env = await upstreamSettings(sandbox);
  const services = await Promise.all(
    Array.from({ length: REPLICAS }, () => start('bench/contenders/own-token.mjs', env)),
  );
  const own = await coldRounds('own token', services, key, sandbox, 'FI0000');
  await stopAll(...services, sandbox);
  return section(broker, own);
}

function section(broker, own) {
  const limit = UPSTREAM_MS + 50;
  const slowest = broker.map(({ slowestMs }) => slowestMs);
  const calls = broker.map((each) => each.calls);
  const told = (measure, found) => ({ measure, wanted: 'told', found, reached: null });
  const ms = (of, what) =>
    `${spread(
      of.map((each) => each[what]),
      0,
    )} ms`;
  const bar = (label, of, what) => {
    const values = of.map((each) => each[what]);
    return { label, value: median(values), low: Math.min(...values), high: Math.max(...values) };
  };
  return {
    id: 'cold',
    title: 'Cold key',
    ran: new Date().toISOString(),
    rows: [
      {
        measure: `upstream calls, ${REPLICAS} replicas × ${CALLERS} cold callers`,
        wanted: '1',
        found: spread(calls, 0),
        reached: calls.every((count) => count === 1),
      },
      {
        measure: `slowest of them, upstream of ${UPSTREAM_MS} ms`,
        wanted: `≤ ${limit} ms`,
        found: ms(broker, 'slowestMs'),
        reached: median(slowest) <= limit,
      },
      told('the same callers once more, from memory: slowest', ms(broker, 'warmMs')),
      told(
        'f: upstream calls, each replica for itself',
        spread(
          own.map((each) => each.calls),
          0,
        ),
      ),
      told('f: slowest caller', ms(own, 'slowestMs')),
      told('f: the same callers once more: slowest', ms(own, 'warmMs')),
    ],
    charts: [
      {
        name: 'cold',
        title: `Slowest of ${REPLICAS * CALLERS} callers at once, upstream of ${UPSTREAM_MS} ms`,
        kind: 'bars',
        unit: 'ms',
        items: [
          bar('c broker, cold', broker, 'slowestMs'),
          bar('c broker, from memory', broker, 'warmMs'),
          bar('f own token, cold', own, 'slowestMs'),
          bar('f own token, from memory', own, 'warmMs'),
        ],
      },
    ],
    notes: [
      `All callers ask at the same time, each on a connection that is open already. ${COLD_ROUNDS} keys; medians, with the lowest and the highest.`,
      'All servers and all callers share this machine: what the same number of callers costs from memory shows how much of it is the machine.',
      'f: services that keep their own tokens with openid-client; over HTTP too, only so that both are measured alike.',
    ],
  };
}

/** @param vats the first six characters of the merchants */
async function coldRounds(name, servers, key, sandbox, vats) {
  const callers = await Promise.all(
    Array.from({ length: REPLICAS * CALLERS }, (_, i) => connected(servers[i % REPLICAS].url)),
  );
  // The first calls of each connection and process are not what is measured.
  for (let i = 1; i <= 3; i += 1) await coldRound(callers, key, sandbox, `${vats}000${i}`);
  const rounds = [];
  for (let round = 1; round <= COLD_ROUNDS; round += 1) {
    const seen = await coldRound(callers, key, sandbox, `${vats}100${round}`);
    // As many callers of the same key once more, which is in memory now: what this machine makes even of them.
    const warm = await coldRound(callers, key, sandbox, `${vats}100${round}`);
    rounds.push({ ...seen, warmMs: warm.slowestMs });
    console.log(
      `  ${name}, key ${round}: calls ${seen.calls}, tokens ${seen.tokens}, slowest caller ${seen.slowestMs} ms;` +
        ` once more, from memory, ${warm.slowestMs} ms`,
    );
  }
  for (const socket of callers) socket.destroy();
  return rounds;
}

/** @returns what the callers saw who all ask at once, each on a connection of its own that is open already */
async function coldRound(callers, key, sandbox, merchant_vat) {
  const body = JSON.stringify({ client: 'bench', merchant_vat });
  const head = `POST /v1/tokens HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n`;
  const text = Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  const answers = await Promise.all(callers.map((socket) => askOver(socket, text)));
  const { clients } = await send('GET', `${sandbox.url}/_sandbox/stats`, '');
  return {
    calls: clients.find((each) => each.merchant_vat === merchant_vat).calls,
    tokens: new Set(answers.map(({ body: answer }) => /"token_id":"([^"]+)"/.exec(answer)?.[1])).size,
    slowestMs: Math.round(Math.max(...answers.map(({ ms }) => ms))),
  };
}

/** The clients share two cores with all the servers: this one takes as little of them as it can, like wrk. */
function askOver(socket, text) {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const chunks = [];
    const read = (chunk) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks).toString('latin1');
      const [headers, body] = all.split('\r\n\r\n', 2);
      const [, length] = /content-length: (\d+)/i.exec(headers) ?? [];
      if (body === undefined || body.length < Number(length)) return;
      socket.off('data', read);
      if (headers.startsWith('HTTP/1.1 200')) resolve({ body, ms: performance.now() - startedAt });
      else reject(new Error(headers));
    };
    socket.on('data', read);
    socket.write(text);
  });
}

async function connected(url) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).setNoDelay();
  await once(socket, 'connect');
  return socket;
}
