/**
 * Loaded into a process that is measured, by `--import`: tells what only the process itself knows, over a Unix socket at
 * BENCH_VITALS. `GET /memory` collects garbage first; `GET /loop` watches the event loop for the ms given and answers its
 * delay. While nobody asks it costs nothing.
 */
import { createServer } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** In ms: each delay contains it, as the loop is looked at so often. */
const RESOLUTION_MS = 1;

if (process.env.BENCH_VITALS) {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://vitals');
    const answer = pathname === '/memory' ? memory(gc) : loop(Number(searchParams.get('ms')));
    void answer.then((told) => response.end(JSON.stringify(told)));
  })
    .listen(process.env.BENCH_VITALS)
    .unref();
}

async function memory(gc) {
  // What finalizers let go of goes with the second one.
  gc();
  await setTimeout(500);
  gc();
  return process.memoryUsage();
}

async function loop(ms) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  await setTimeout(ms);
  delay.disable();
  const inMs = (nanoseconds) => Math.round(nanoseconds / 1e4) / 100;
  return {
    resolutionMs: RESOLUTION_MS,
    medianMs: inMs(delay.percentile(50)),
    p99Ms: inMs(delay.percentile(99)),
    longestMs: inMs(delay.max),
  };
}
