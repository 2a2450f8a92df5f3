/**
 * Load on one server, from wrk on another core: a load generator in JavaScript would be at its end before the server is.
 * Where there is no wrk, autocannon stands in.
 */
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';

import autocannon from 'autocannon';

import { unpacked } from '../dist/test/support/debian-packages.js';
import { cores, cpuMs, folder, launch, onPath } from './processes.mjs';

const WRK_PACKAGES = ['wrk', 'libluajit-5.1-2', 'libluajit-5.1-common'];
export const CONNECTIONS = 32;

const wrk = await findWrk();

/** How the load came, as a sentence. */
export const loadNote = wrk
  ? `Load comes from wrk, one thread and ${CONNECTIONS} connections${cores ? ', on another core than the server' : ''}.`
  : 'wrk was not to be had: load comes from autocannon, which is slower than some of the servers, so that ratios come out too near to 1, and tells times in whole ms.';

/**
 * Puts a server under load for some seconds.
 * @param target `{ url, path, headers, body, child }`; with `count`, the `#` of its body stands for 8 digits, a random
 *   number below that
 * @param options `seconds`; `connections`; `pauseMs`, the mean pause of a connection between two requests, none if 0
 * @returns requests, perSecond, cpuUs (of the server per request), cpu (share of a core), p50Ms, p99Ms, slowestMs
 * @throws Error if one request is refused or fails
 */
export async function load(target, { seconds, connections = CONNECTIONS, pauseMs = 0 }) {
  const cpuBefore = cpuMs(target.child);
  const seen = wrk
    ? await byWrk(target, seconds, connections, pauseMs)
    : await byAutocannon(target, seconds, connections, pauseMs);
  const cpu = cpuMs(target.child) - cpuBefore;
  if (seen.failed > 0)
    throw new Error(`${target.name}: ${seen.failed} of ${seen.requests} requests failed or were refused`);
  return {
    ...seen,
    perSecond: seen.requests / seen.seconds,
    cpuUs: (cpu * 1_000) / seen.requests,
    cpu: cpu / seen.seconds / 1_000,
  };
}

/** wrk's version, "" without it. */
export async function wrkVersion() {
  if (!wrk) return '';
  const child = launch(wrk.command, ['-v'], { PATH: process.env.PATH, ...wrk.env });
  return /wrk (\S+)/.exec(await text(child.stdout))?.[1] ?? '';
}

async function byWrk({ url, path, headers, body, count }, seconds, connections, pauseMs) {
  // Not on the command line, which everybody on the machine can read.
  const script = join(folder, `${randomBytes(6).toString('hex')}.lua`);
  writeFileSync(script, luaScript(headers, body, pauseMs, count), { mode: 0o600 });
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '5s', '-s', script, `${url}${path}`];
  const child = launch(wrk.command, args, { PATH: process.env.PATH, ...wrk.env }, cores?.others);
  const output = await text(child.stdout);
  rmSync(script);
  const [, json] = /^result (\{.*\})$/m.exec(output) ?? [];
  if (json === undefined) throw new Error(`wrk failed: ${output}`);
  const { us, p50, p99, slowest, ...counts } = JSON.parse(json);
  return { ...counts, seconds: us / 1e6, p50Ms: p50 / 1_000, p99Ms: p99 / 1_000, slowestMs: slowest / 1_000 };
}

function luaScript(headers, body, pauseMs, count) {
  // Whole ms, as wrk takes them; evenly from none to twice the mean, so that connections do not march in step.
  const random = `
local before, behind = wrk.body:match('^(.*)#(.*)$')
math.randomseed(os.time())
function request()
  return wrk.format(nil, nil, nil, before .. string.format('%08d', math.random(0, ${count} - 1)) .. behind)
end`;
  const pause = `function delay() return math.floor(math.random() * ${2 * pauseMs} + 0.5) end`;
  return `
wrk.method = 'POST'
wrk.body = ${JSON.stringify(body)}
${Object.entries(headers)
  .map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`)
  .join('\n')}
${pauseMs > 0 ? pause : ''}
${count ? random : ''}
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nresult {"us":%d,"requests":%d,"failed":%d,"p50":%d,"p99":%d,"slowest":%d}\\n',
    summary.duration, summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
`;
}

async function byAutocannon({ url, path, headers, body, count }, seconds, connections, pauseMs) {
  const paced = pauseMs > 0 && { overallRate: Math.round((connections * 1_000) / pauseMs) };
  const digits = () => String(Math.floor(Math.random() * count)).padStart(8, '0');
  const setupRequest = (request) => ({ ...request, body: body.replace('#', digits()) });
  const what = count ? { requests: [{ setupRequest }] } : { body };
  const options = { url: `${url}${path}`, method: 'POST', headers, connections, duration: seconds, ...what, ...paced };
  const { requests, duration, non2xx, errors, latency } = await autocannon(options);
  return {
    requests: requests.total,
    failed: non2xx + errors,
    seconds: duration,
    p50Ms: latency.p50,
    p99Ms: latency.p99,
    slowestMs: latency.max,
  };
}

/** From the PATH; else from Debian's packages, as the tests have Redis. */
async function findWrk() {
  if (onPath('wrk')) return { command: 'wrk', env: {} };
  try {
    const { root, libraries } = await unpacked('wrk', WRK_PACKAGES);
    return { command: join(root, 'usr/bin/wrk'), env: { LD_LIBRARY_PATH: libraries } };
  } catch {
    return undefined;
  }
}
