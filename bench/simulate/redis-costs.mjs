/** What each step of the protocol costs a real Redis: scripts, bytes, time of its one thread, memory of a record. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

import { Redis } from 'ioredis';

import { systemClock } from '../../dist/apps/broker/src/config/system-clock.js';
import { Bus, RedisClusterBoard, RedisKeys, RedisLink, RedisTokenStore } from '../../dist/libs/redis/src/index.js';
import { BoardAwayError } from '../../dist/libs/cluster/src/index.js';
import { AccessToken, keyLabel, StoreAwayError, tokenKey } from '../../dist/libs/token/src/index.js';
import { KeyRing, Sealer } from '../../dist/libs/vault/src/index.js';
import { startRedis, stopAll } from '../processes.mjs';

/** Connections that each have one command under way, as replicas mostly do: what is sent in one piece costs less. */
const LINKS = 16;
const RECORDS = 4_800;
const SUBSCRIBERS = 100;
const MESSAGES = 400;
const LIFE_MS = 3_600_000;
const LEASE_MS = 60_000;

/** @returns undefined if there is no redis-server to be had */
export async function measureRedis({ replicas, tokenBytes, say }) {
  let server;
  try {
    server = await startRedis();
  } catch (error) {
    say(`no Redis to measure: ${error.message}`);
    return undefined;
  }
  const bench = await open(server.port);
  try {
    say('Redis: what a step costs');
    const steps = await measureSteps(bench, tokenBytes);
    say('Redis: what a message costs');
    const delivery = await measureFanOut(bench, server.port);
    say('Redis: what the reports of replicas cost');
    const board = await measureBoard(bench, replicas);
    return { version: await versionOf(bench.info), ...steps, delivery, board };
  } finally {
    await bench.close();
    await stopAll(server);
  }
}

async function open(port) {
  const settings = { at: { kind: 'single', host: '127.0.0.1', port, db: 0 } };
  const keys = new RedisKeys('tb:');
  const sealer = new Sealer(KeyRing.parse(KeyRing.generate('bench')));
  // Its subscription is not what is measured here: it comes on top.
  const bus = new Bus(settings, 'nobody', systemClock);
  const links = Array.from(
    { length: LINKS },
    () => new RedisLink({ settings, keys, clock: systemClock, random: Math.random, onEvent: () => {} }),
  );
  await Promise.all([bus.ready(2_000), ...links.map((link) => link.ready(2_000))]);
  const stores = links.map((link) => new RedisTokenStore(link, bus, sealer, systemClock));
  const info = new Redis(port, '127.0.0.1');
  const close = async () => {
    bus.close();
    info.disconnect();
    await Promise.all(links.map((link) => link.close()));
  };
  return { keys, links, stores, info, close };
}

async function measureSteps(bench, tokenBytes) {
  const keys = Array.from({ length: RECORDS }, (_, i) => keyOf(`client-${i}`, i));
  const tokens = keys.map(() => new AccessToken(randomText(tokenBytes), 'Bearer', 'integrator_scope'));
  const acquire = (store, key, owner, more = {}) =>
    store.acquire(key, { owner, leaseMs: LEASE_MS, haveGeneration: 0, minRemainingMs: 60_000, ...more });
  const wanted = (outcome, kind) => {
    if (outcome.kind !== kind) throw new Error(`Redis answered ${outcome.kind} where ${kind} was expected`);
    return outcome;
  };
  const leases = [];
  const some = keys.slice(0, 1_600);
  // The scripts are there, and Redis has made itself at home.
  await onAll(bench, some, async (store, _, i) => {
    const key = keyOf(`warm-${i}`, i);
    const { lease } = await acquire(store, key, 'warm');
    await store.renew(lease, LEASE_MS);
    await store.commit(lease, { token: tokens[i], lifeMs: LIFE_MS });
    await acquire(store, key, 'warm');
  });
  await bench.info.flushdb();
  const bytesBefore = await memoryOf(bench.info);
  const costs = {};
  costs.lead = await cost(bench, keys, async (store, key, i) => {
    leases[i] = wanted(await acquire(store, key, ownerOf(i)), 'lead').lease;
  });
  costs.busy = await cost(bench, some, async (store, key) => void wanted(await acquire(store, key, 'other'), 'busy'));
  costs.renew = await cost(bench, some, (store, _, i) => store.renew(leases[i], LEASE_MS));
  costs.commit = await cost(bench, keys, (store, _, i) =>
    store.commit(leases[i], { token: tokens[i], lifeMs: LIFE_MS }),
  );
  const recordBytes = ((await memoryOf(bench.info)) - bytesBefore) / RECORDS;
  const hashBytes = await bench.info.memory('USAGE', bench.keys.token(keys[0]), 'SAMPLES', 0);
  costs.hit = await cost(bench, keys, async (store, key) => void wanted(await acquire(store, key, 'other'), 'hit'));
  costs.late_commit = await cost(bench, some, (store, _, i) =>
    store.commit({ ...leases[i], generation: leases[i].generation - 1 }, { token: tokens[i], lifeMs: LIFE_MS }),
  );
  // All calls of one client are taken.
  const callers = Array.from({ length: 5 }, (_, i) => keyOf('full', i));
  for (const [i, key] of callers.entries())
    await patiently(async () => wanted(await acquire(bench.stores[0], key, ownerOf(i)), 'lead'));
  costs.full = await cost(bench, some, async (store, _, i) => {
    wanted(await acquire(store, keyOf('full', 10 + i), ownerOf(10 + i)), 'busy');
  });
  // What of a refresh lies in slots that all keys share, wherever the key itself lies in a cluster.
  const shared = await cost(bench, some, async (store, key, i) => {
    const link = bench.links[bench.stores.indexOf(store)];
    const gate = bench.keys.gate(key);
    const index = () => link.run('index', ...bench.keys.labels, keyLabel(key), LIFE_MS);
    await Promise.all([link.run('enter', ...gate, ownerOf(i), LEASE_MS, 5, 5), index()]);
    await Promise.all([link.run('leave', ...gate, ownerOf(i), 'alive', 1, 5, 30_000, 300_000), index()]);
  });
  return { costs, shared, recordBytes, hashBytes };
}

/** A publication at a time: at a rate at which Redis is not full, each is written to each subscriber by itself. */
async function measureFanOut(bench, port) {
  const channel = bench.keys.news;
  const message = `token 1764187676000000 ${keyOf('message', 1).id}`;
  const publish = async () => {
    for (let i = 0; i < MESSAGES; i += 1) await bench.info.publish(channel, message);
  };
  await publish();
  const alone = await measured(bench.info, publish);
  const sockets = await Promise.all(
    Array.from({ length: SUBSCRIBERS }, async () => {
      const socket = connect(port, '127.0.0.1').resume();
      await once(socket, 'connect');
      socket.write(`SUBSCRIBE ${channel}\r\n`);
      await once(socket, 'data');
      return socket;
    }),
  );
  const heard = await measured(bench.info, publish);
  for (const socket of sockets) socket.destroy();
  const deliveries = MESSAGES * SUBSCRIBERS;
  return { us: (heard.us - alone.us) / deliveries, outBytes: (heard.outBytes - alone.outBytes) / deliveries };
}

/** As many replicas as there are, and a quarter of them: the answer to a report holds all reports. */
async function measureBoard(bench, replicas) {
  const board = new RedisClusterBoard(bench.links[0]);
  const counts = [{ minutesAgo: 0, served: 100, calls: 2, errors: 0, latencySumMs: 400, latencyMaxMs: 250 }];
  const found = [];
  for (const count of [Math.max(1, Math.round(replicas / 4)), Math.max(2, replicas)]) {
    await bench.info.del(...bench.keys.cluster);
    const tell = (i) => board.tell({ report: reportOf(i % count), counts, events: [] });
    for (let i = 0; i < count; i += 1) await patiently(() => tell(i));
    const tells = 2 * Math.min(count, 200);
    const startedAt = process.cpuUsage();
    const { us, outBytes } = await measured(bench.info, async () => {
      for (let i = 0; i < tells; i += 1) await patiently(() => tell(i));
    });
    const { user, system } = process.cpuUsage(startedAt);
    found.push({ count, us: us / tells, outBytes: outBytes / tells, replicaUs: (user + system) / tells });
  }
  const events = 100;
  const write = Array.from({ length: events }, (_, i) => ({ agoMs: 0, event: eventOf(i) }));
  await patiently(() => board.tell({ report: reportOf(0), counts, events: write }));
  let { cursor } = await patiently(() => board.eventsAfter(undefined, 1_000));
  const nothing = await measured(bench.info, async () => {
    for (let i = 0; i < 200; i += 1) ({ cursor } = await patiently(() => board.eventsAfter(cursor, 200)));
  });
  const all = await measured(bench.info, async () => {
    for (let i = 0; i < 200; i += 1) await patiently(() => board.eventsAfter(undefined, events));
  });
  return {
    tells: found,
    read: { us: nothing.us / 200, outBytes: nothing.outBytes / 200 },
    event: {
      us: Math.max(0, all.us - nothing.us) / 200 / events,
      outBytes: (all.outBytes - nothing.outBytes) / 200 / events,
    },
  };
}

async function cost(bench, keys, step) {
  const all = await measured(bench.info, () => onAll(bench, keys, step));
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, value / keys.length]));
}

/** Each connection takes the next key when its step is done. */
async function onAll({ stores }, keys, step) {
  let next = 0;
  await Promise.all(
    stores.map(async (store) => {
      for (let i = next++; i < keys.length; i = next++) await patiently(() => step(store, keys[i], i));
    }),
  );
}

/** On a busy machine a command may take longer than replicas wait; each may be sent again. */
async function patiently(run) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      if (attempt === 20 || !(error instanceof StoreAwayError || error instanceof BoardAwayError)) throw error;
      await pause(500);
    }
  }
}

async function measured(info, run) {
  const before = await seen(info);
  await run();
  const after = await seen(info);
  return Object.fromEntries(Object.keys(before).map((name) => [name, after[name] - before[name]]));
}

/** What reading this costs is little beside what is measured, and is counted with it. */
async function seen(info) {
  const text = await info.info('everything');
  const number = (name) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1] ?? 0);
  const seconds = number('used_cpu_user_main_thread') + number('used_cpu_sys_main_thread');
  const otherwise = number('used_cpu_user') + number('used_cpu_sys');
  return {
    us: 1e6 * (seconds || otherwise),
    scripts: Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(text)?.[1] ?? 0),
    commands: number('total_commands_processed'),
    inBytes: number('total_net_input_bytes'),
    outBytes: number('total_net_output_bytes'),
  };
}

async function memoryOf(info) {
  return Number(/^used_memory_dataset:(\d+)/m.exec(await info.info('memory'))[1]) + (await overheadOf(info));
}

/** Tables of the keys and of their times to live count as well. */
async function overheadOf(info) {
  const stats = await info.call('MEMORY', 'STATS');
  const at = stats.indexOf('db.0');
  if (at < 0) return 0;
  const db = stats[at + 1];
  return db.reduce((sum, value, i) => sum + (i % 2 ? Number(value) : 0), 0);
}

async function versionOf(info) {
  return /^redis_version:(\S+)/m.exec(await info.info('server'))[1];
}

function keyOf(client, i) {
  return tokenKey({
    environment: 'production',
    tokenUrl: 'https://api.mobilepay.dk/integrator-authentication/connect/token',
    client,
    credentialGeneration: 1,
    credentialState: 'Zm9vYmFyYmF6cXV4 2026-01-01T00:00:00.000Z',
    merchantVat: `DK${String(i).padStart(8, '0')}`,
  });
}

function ownerOf(i) {
  return `${nameOf(i % 200)}/7b0c4d0e-5f0a-4c51-9c58-${String(i).padStart(12, '0')}`;
}

function nameOf(i) {
  return `token-broker-${String(i).padStart(5, '0')}`;
}

function reportOf(i) {
  const environment = 'production';
  return {
    name: nameOf(i),
    run: '7b0c4d0e-5f0a-4c51-9c58-000000000000',
    version: '1.0.0',
    uptimeMs: 3_600_000,
    isDraining: false,
    redisUp: true,
    storeMs: 0.812,
    keys: 5_000,
    leading: [{ client: 'client-1', merchantVat: 'DK00000001' }],
    upstreams: [{ environment, answeredAgoMs: 120, failuresInARow: 0, failingForMs: 0 }],
    rejected: [],
    accepted: [],
    nearDeath: [],
    audit: { lost: 0, agoMs: 3_600_000 },
    locked: 0,
  };
}

function eventOf(i) {
  return {
    id: `${nameOf(1)}/7b0c4d0e-${i}`,
    kind: 'refreshed',
    replica: nameOf(1),
    client: 'client-1',
    environment: 'production',
    merchant_vat: 'DK00000001',
    cause: 'ahead',
    took_ms: 201,
    token_id: 'Zm9vYmFyYmF6cXV4',
    generation: 1_764_187_676_000_000,
    life_seconds: 3_600,
  };
}

function randomText(length) {
  return Array.from({ length }, () => String.fromCodePoint(97 + Math.floor(26 * Math.random()))).join('');
}
