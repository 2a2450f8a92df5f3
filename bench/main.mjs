/**
 * Measures the broker beside what one would have without it.
 *   npm run bench                  all sections but those that take long, about six minutes
 *   npm run bench -- <section> …   those only
 *   npm run bench -- --help        which there are
 * What was found goes to docs/performance.json, .md and images; with BENCH_WRITE=0 nowhere.
 */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { benchColdCallers } from './cold-callers.mjs';
import { benchHotPath } from './hot-path.mjs';
import { benchLatency } from './latency.mjs';
import { benchManyKeys } from './many-keys.mjs';
import { benchProfile } from './profile.mjs';
import { benchListing, benchRenewals } from './replicas.mjs';
import { printSection, writeReport } from './report.mjs';
import { benchStart } from './start.mjs';
import { benchSteady } from './steady.mjs';
import { benchUpstreamCalls } from './upstream-calls.mjs';

const sections = [
  { id: 'hot-path', about: 'requests per second beside bare servers and a textbook service', run: benchHotPath },
  { id: 'latency', about: 'p99 at half the top rate beside bare Fastify', run: benchLatency },
  { id: 'cold', about: 'many cold callers at once, and the same without a broker', run: benchColdCallers },
  {
    id: 'upstream-calls',
    about: 'calls to MobilePay per hour, simulated, and without a broker',
    run: benchUpstreamCalls,
  },
  { id: 'many-keys', about: '100,000 keys in memory, and their renewals', run: benchManyKeys },
  { id: 'start', about: 'from spawn to ready', run: benchStart },
  { id: 'renewals', about: 'callers of a token that is being renewed', run: benchRenewals },
  { id: 'listing', about: 'pages through 100,000 keys', run: benchListing },
  { id: 'steady', about: 'the heap in ten minutes of load', run: benchSteady, onlyByName: true },
  {
    id: 'profile',
    about: 'where the time goes on the hot path, and a flame graph',
    run: benchProfile,
    onlyByName: true,
  },
];

const wanted = process.argv.slice(2);
if (wanted.includes('--help')) {
  console.log('npm run bench -- [section …]\n');
  for (const { id, about, onlyByName } of sections) {
    console.log(`  ${id.padEnd(16)}${about}${onlyByName ? ' (only if named)' : ''}`);
  }
  process.exit();
}
const unknown = wanted.filter((name) => !sections.some(({ id }) => id === name));
if (unknown.length > 0) {
  console.error(`no such section: ${unknown.join(', ')}; there are ${sections.map(({ id }) => id).join(', ')}`);
  process.exit(2);
}

/** More than this, and it is said at once. */
const BUSY = 0.1;
const startedAt = performance.now();
const found = [];
for (const { id, run, onlyByName } of sections) {
  if (wanted.length > 0 ? !wanted.includes(id) : onlyByName) continue;
  const busy = await busyShare();
  const section = { ...(await run()), busy };
  found.push(section);
  printSection(section);
}
await writeReport(
  found,
  sections.map(({ id }) => id),
);
console.log(`${found.length} sections in ${Math.round((performance.now() - startedAt) / 1_000)} s`);
process.exit();

/** How much of the processor is in use, 0 to 1, while nothing of ours runs: by others, who disturb what follows. */
async function busyShare() {
  const before = cpus();
  await sleep(1_000);
  const sum = { idle: 0, all: 0 };
  for (const [i, { times }] of cpus().entries()) {
    for (const [name, ms] of Object.entries(times)) {
      const spent = ms - before[i].times[name];
      sum.all += spent;
      if (name === 'idle') sum.idle += spent;
    }
  }
  const share = 1 - sum.idle / sum.all;
  if (share > BUSY) console.log(`Others use ${Math.round(share * 100)} % of the processor: expect noise.`);
  return Number(share.toFixed(2));
}
