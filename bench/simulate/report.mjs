/** What the simulation found, as tables that read in a terminal and in Markdown. */
import { cpus } from 'node:os';

import {
  boardOf,
  figuresAt,
  keysPerClient,
  limitsOf,
  redisLoad,
  sumOf,
} from '../../dist/test/simulation/scale/limits.js';
import { COST } from '../../dist/test/simulation/scale/tally.js';
import { growthOf } from './growth.mjs';

/** @returns sections by name: a title, tables and sentences */
export function reportOf(found, costs, memory, options) {
  const sections = [
    { name: 'day', title: 'One day', ...dayOf(found.profiles, memory, costs, options) },
    { name: 'growth', title: 'What grows with what', ...growthSection(found) },
    { name: 'client', title: "One client's five calls at once", ...clientSection(found) },
  ];
  if (costs) {
    sections.push(
      { name: 'costs', title: 'What Redis does for it', ...costsSection(costs) },
      { name: 'limits', title: 'Where it ends', ...limitsSection(found, costs, memory, options) },
      { name: 'sizes', title: 'What other sizes need', ...sizesSection(found, costs, memory) },
    );
  }
  return sections;
}

export function textOf({ title, tables, notes }, heading = '') {
  const parts = [`${heading}${title}`, ...tables.map(tableText), ...notes];
  return `${parts.join('\n\n')}\n`;
}

function tableText([head, ...rows]) {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, i) => Math.max(3, ...cells.map((row) => row[i].length)));
  const line = (row) =>
    `| ${row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}

function dayOf({ quiet, busy }, memory, costs, options) {
  const both = (of) => [of(quiet), of(busy)];
  const rate = (name, of) => [
    [`${name}, per day`, ...both((figures) => short(of(figures).day))],
    [`${name}, per second at the peak`, ...both((figures) => short(of(figures).peak))],
  ];
  const { model } = quiet;
  const rows = [
    ['', `quiet: ${options.quiet} an hour`, `busy: ${options.busy} an hour`],
    ...rate('requests', ({ requests }) => requests),
    ['answered from memory', ...both(({ fromMemory }) => percent(fromMemory))],
    [
      'waits of the others, median / p99 / longest, ms',
      ...both(({ waits: w }) => `${w.median} / ${w.p99} / ${w.longest}`),
    ],
    ['refused', ...both(({ refused }) => percent(refused))],
    ...rate('upstream calls', ({ calls }) => calls),
    ['of them while a caller waited', ...both(({ onDemand }) => percent(onDemand))],
    ['of them beyond one per refresh', ...both(({ duplicates }) => short(duplicates))],
    ...rate('scripts run by Redis for tokens', ({ scripts }) => scripts),
    ['scripts for reports of replicas, per second at the peak', ...both((figures) => short(reportScripts(figures)))],
    ...rate('messages', ({ messages }) => messages),
    ...rate('messages delivered', ({ deliveries }) => deliveries),
    ['of them to a replica that has the key', ...both(({ wanted }) => percent(wanted))],
    ['keys in the memory of a replica, at most', ...both(({ held }) => short(held))],
    ['memory for them', ...both(({ held }) => size(held * memory.bytesPerKey))],
    ['records in Redis, at most', ...both(({ stored }) => short(stored))],
  ];
  if (costs) rows.push(['memory of Redis for them', ...both(({ stored }) => size(stored * costs.recordBytes))]);
  const unmeasured = 'There was no redis-server to measure: what Redis needs for this, and where it ends, is left out.';
  return {
    tables: [rows],
    notes: [
      `${full(model.keys)} keys, ${model.replicas} replicas, shops open ${model.opensAt} to ${model.closesAt}, tokens of ` +
        `${full(model.lifeSeconds)} s, MobilePay ${model.upstreamMs} ms, Redis ${model.redisMs.least} to ` +
        `${model.redisMs.most} ms. Simulated: ${full(model.sample)} keys on all replicas, request by request and ` +
        `message by message; the rest is scaled. The peak is the busiest quarter of an hour.`,
      `A key takes ${full(memory.bytesPerKey)} bytes of a replica's heap with a token of ${full(options.tokenBytes)} bytes, measured.`,
      ...(costs ? [] : [unmeasured]),
    ],
  };
}

function reportScripts(figures) {
  const { tells } = boardOf(figures.model.replicas, figures.steps.commit);
  return 2 * tells;
}

const GROWING = [
  ['requests', ({ requests }) => requests.day],
  ['upstream calls', ({ calls }) => calls.day],
  ['share answered from memory', ({ fromMemory }) => fromMemory],
  ['scripts run by Redis for tokens', ({ scripts }) => scripts.day],
  ['messages', ({ messages }) => messages.day],
  ['messages delivered', ({ deliveries }) => deliveries.day],
  ['keys in the memory of a replica', ({ held }) => held],
  ['keys in the memory of all replicas', ({ held, model }) => held * model.replicas],
  ['records in Redis', ({ stored }) => stored],
];

function growthSection({ replicas, routing, keys, requests, life }) {
  const columns = [replicas.quiet, replicas.busy, keys, requests, life];
  const growth = [
    ['with twice as many', 'replicas, quiet', 'replicas, busy', 'keys', 'requests', 'seconds of life'],
    ...GROWING.map(([name, figure]) => [name, ...columns.map((series) => times(growthOf(series, figure)))]),
  ];
  const seriesRows = (head, series) => [
    [head, 'requests a day', 'from memory', 'scripts a day', 'upstream calls', 'delivered a day', 'held by a replica'],
    ...series.map(({ value, figures: { requests: asked, fromMemory, scripts, calls, deliveries, held } }) => [
      full(value),
      short(asked.day),
      percent(fromMemory),
      short(scripts.day),
      short(calls.day),
      short(deliveries.day),
      short(held),
    ]),
  ];
  const rates = ({ quiet, busy }) => [quiet, busy].map(([{ figures }]) => figures.model.requestsPerKeyPerHour);
  const [quiet, busy] = rates(replicas);
  const { model } = routing[0].figures;
  return {
    tables: [
      growth,
      seriesRows(`replicas, ${quiet} requests an hour`, replicas.quiet),
      seriesRows(`replicas, ${busy} requests an hour`, replicas.busy),
      seriesRows(`replicas that a key is asked at, of ${model.replicas}, ${busy} requests an hour`, routing),
      seriesRows(
        'keys',
        keys.map(({ figures }) => ({ value: figures.model.keys, figures })),
      ),
      seriesRows('requests per key and hour', requests),
      seriesRows('life of a token, s', life),
    ],
    notes: [
      'Each series is simulated anew, with samples that are smaller than the day above, so its figures differ a little ' +
        'from it. The first table is the average over a whole series of the factor for each doubling.',
    ],
  };
}

function clientSection({ client, profiles }) {
  const rows = [
    [
      'keys of one client',
      'MobilePay takes, ms',
      'calls at once, mean at the peak',
      'p99 wait, ms',
      'refused',
      'attempts that found all five taken, per call',
    ],
    ...client.map((figures) => [
      full(figures.model.keys),
      full(figures.model.upstreamMs),
      ((figures.calls.peak * figures.model.upstreamMs) / 1_000).toFixed(1),
      full(figures.waits.p99),
      percent(figures.refused),
      ((figures.steps.full * 900) / Math.max(1, figures.calls.peak * 900)).toFixed(1),
    ]),
  ];
  const both = [profiles.quiet, profiles.busy];
  const most = both.map((figures) => short(keysPerClient(figures)));
  const [{ model }] = both;
  return {
    tables: [rows],
    notes: [
      `Until the shops have been open for an hour: many keys are cold at once. At the peak of the days above, five calls ` +
        `at once of ${model.upstreamMs} ms each are all in use with ${most[0]} keys per client on the quiet day, and ` +
        `${most[1]} on the busy one; the number of keys falls as the upstream's time grows.`,
    ],
  };
}

function costsSection({ version, costs, shared, recordBytes, delivery, board }) {
  const cost = (name, scripts, { us, inBytes, outBytes }) => [
    name,
    scripts,
    us.toFixed(0),
    inBytes === undefined ? '' : full(inBytes),
    full(outBytes),
  ];
  const names = {
    hit: 'a token of another replica is taken over',
    lead: 'a lease is taken, and the way to MobilePay entered',
    commit: 'a token is stored, without its deliveries',
    busy: 'somebody else has the lease',
    renew: 'a lease is renewed',
    full: 'all five calls of the client are taken',
  };
  const rows = [
    ['step', 'scripts', 'µs of its thread', 'bytes in', 'bytes out'],
    ...Object.entries(names).map(([step, name]) => cost(name, COST[step].scripts, costs[step])),
    ['a message is delivered to one replica', '', delivery.us.toFixed(1), '', full(delivery.outBytes)],
    ...board.tells.map((each) => cost(`a replica reports itself, one of ${each.count}`, 1, each)),
    cost('it asks for events, and there are none', 1, board.read),
    ['it reads one event', '', board.event.us.toFixed(1), '', full(board.event.outBytes)],
  ];
  return {
    tables: [rows],
    notes: [
      `Measured with the real store and scripts against Redis ${version} on a machine with ${cpus()[0]?.model ?? 'an unknown processor'}, one command under way on each ` +
        `of 16 connections. A record takes ${full(recordBytes)} bytes of Redis' memory, with its place in the list of keys.`,
      `Of a refresh, which is a lease and a token stored, ${full(shared.us)} µs lie in slots of a cluster that all keys share.`,
      `A report costs the replica itself ${full(board.tells[1].replicaUs)} µs when there are ${board.tells[1].count} of them.`,
      `A thread like this one is full with ${full(1e6 / costs.hit.us)} tokens taken over per second, and nothing else.`,
    ],
  };
}

function limitsSection({ profiles, replicas: series }, costs, memory, options) {
  const both = ['quiet', 'busy'].map((name) => {
    const profile = profiles[name];
    const limits = limitsOf(profile, series[name], { ...options, ...memory, costs });
    return { name, profile, limits, load: redisLoad(profile, costs) };
  });
  const load = [
    ["of Redis' one thread, at the peak", 'quiet', 'busy'],
    ...[
      ['steps of the protocol', 'steps'],
      ['messages to all replicas', 'fanOut'],
      ['reports of replicas', 'board'],
    ].map(([title, part]) => [title, ...both.map(({ load: { thread } }) => percent(thread[part]))]),
    ['all of it', ...both.map(({ load: { thread } }) => percent(sumOf(thread)))],
    ['bytes out, per second', ...both.map(({ load: { outBytes } }) => size(sumOf(outBytes)))],
    ['of them messages', ...both.map(({ load: { outBytes } }) => size(outBytes.fanOut))],
    ['of them reports of replicas', ...both.map(({ load: { outBytes } }) => size(outBytes.board))],
    ['of one core of a replica, for its reports', ...both.map(({ profile }) => percent(ownReports(profile, costs)))],
  ];
  const { keys, replicas } = profiles.quiet.model;
  const limits = [
    ['', 'used', `full at so many keys, ${replicas} replicas`, `full at so many replicas, ${short(keys)} keys`],
    ...both.flatMap(({ name, limits: each }) =>
      each.map((limit) => [`${limit.name}, ${name}`, percent(limit.used), where(limit.keys), where(limit.replicas)]),
    ),
  ];
  const first = both.map(({ name, profile, limits: each }) => {
    const [limit] = each.filter((one) => one.name !== WITHOUT_REPORTS).toSorted((a, b) => b.used - a.used);
    return (
      `First limit, ${name}: the ${limit.name}, ${percent(limit.used)} used; full at about ${where(limit.keys)} keys ` +
      `with ${replicas} replicas, or ${where(limit.replicas)} replicas with ${short(keys)} keys. One client of ` +
      `MobilePay's, wherever its keys are asked for, is at its limit of five calls at once with ` +
      `${short(keysPerClient(profile))} keys.`
    );
  });
  return { tables: [load, limits], notes: first };
}

/** Making its reports and reading what the others say. */
function ownReports({ model: { replicas }, steps }, { board }) {
  return (boardOf(replicas, steps.commit).tells / replicas) * (board.tells[1].replicaUs / 1e6);
}

const SIZES = [
  [10_000, 3],
  [50_000, 6],
  [200_000, 12],
  [500_000, 25],
  [1_000_000, 25],
  [1_000_000, 50],
  [1_000_000, 100],
];

/** Between the replicas of the series, and its keys scaled. */
function sizesSection({ profiles, replicas: series }, costs, memory) {
  const rows = SIZES.map(([keys, replicas]) => {
    const both = ['quiet', 'busy'].map((name) => figuresAt(series[name], profiles[name], keys, replicas));
    const [quiet, busy] = both.map((figures) => percent(sumOf(redisLoad(figures, costs).thread)));
    const most = both[1];
    const out = sumOf(redisLoad(most, costs).outBytes);
    return [
      full(keys),
      replicas,
      quiet,
      busy,
      size(out),
      size(keys * costs.recordBytes),
      size(most.held * memory.bytesPerKey),
      short(most.steps.commit),
    ];
  });
  const head = ['keys', 'replicas', 'thread of Redis, quiet', 'busy', 'bytes out per second, busy', 'memory of Redis'];
  const more = ['keys in a replica, busy', 'calls of MobilePay per second at the peak, busy'];
  return { tables: [[[...head, ...more], ...rows]], notes: [] };
}

const WITHOUT_REPORTS = 'thread of Redis without reports';

function where(value) {
  if (value === undefined) return 'never';
  return value === 0 ? 'any number' : short(Math.round(value));
}

function times(factor) {
  return factor === undefined ? '–' : `× ${factor.toFixed(2)}`;
}

function percent(share) {
  const value = 100 * share;
  return `${value > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

function full(value) {
  return Math.round(value).toLocaleString('en-US');
}

/** Three figures at most: the model knows no more. */
function short(value) {
  const rounded = Number(value.toPrecision(3));
  if (rounded >= 1e6) return `${(rounded / 1e6).toLocaleString('en-US')} million`;
  return rounded.toLocaleString('en-US');
}

function size(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toPrecision(3)} GB` : `${(bytes / 1e6).toPrecision(3)} MB`;
}
