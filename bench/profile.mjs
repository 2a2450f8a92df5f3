/** The hot path under the profiler: where its time goes, as a table and as a flame graph. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { broker } from './contenders.mjs';
import { flameGraph, readProfile, roomShares, selfTimes } from './flame-graph.mjs';
import { load, loadNote } from './load.mjs';
import { cores, folder, startSandbox, stopAll } from './processes.mjs';
import { writeImage } from './report.mjs';

const WARM_SECONDS = 3;
const SECONDS = 8;
const INTERVAL_US = 250;
const MOST = 15;
const IMAGE = 'hot-path-flame.svg';

export async function benchProfile() {
  console.log(`Profile: ${SECONDS} s of the hot path, a sample each ${INTERVAL_US} µs. ${loadNote}`);
  const profiles = join(folder, 'profiles');
  mkdirSync(profiles);
  const nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-interval=${INTERVAL_US}`];
  const sandbox = await startSandbox(0, {}, { core: cores?.others });
  const server = await broker('broker', sandbox, {}, { nodeArgs });
  await load(server, { seconds: WARM_SECONDS });
  const fromUs = nowUs();
  const { perSecond } = await load(server, { seconds: SECONDS });
  const toUs = nowUs();
  // It writes its profile as it ends.
  await stopAll(server, sandbox);
  const [file] = readdirSync(profiles);
  const tree = readProfile(JSON.parse(readFileSync(join(profiles, file), 'utf8')), { fromUs, toUs });
  const title = 'Where the time of the hot path goes';
  writeImage(IMAGE, flameGraph(tree, title));
  const percent = (share) => `${(share * 100).toFixed(1)} %`;
  return {
    id: 'profile',
    title: 'Where the time goes',
    ran: new Date().toISOString(),
    rows: roomShares(tree).map(({ name, share }) => ({
      measure: `itself, by whose code it is: ${name}`,
      wanted: 'told',
      found: percent(share),
      reached: null,
    })),
    charts: [],
    images: [[title, IMAGE]],
    table: {
      head: ['Function', 'File', 'Itself'],
      rows: selfTimes(tree)
        .slice(0, MOST)
        .map(({ name, file: of, share }) => [`\`${name}\``, of, percent(share)]),
    },
    notes: [
      `The hot path under \`--cpu-prof\` at ${Math.round(perSecond)} requests/s, which is slower than without; ${SECONDS} s after a warm-up. Functions of one name in one file are counted as one; boxes under 0.3 % are not drawn.`,
    ],
  };
}

/** On the clock that profiles have. */
function nowUs() {
  return Number(process.hrtime.bigint() / 1_000n);
}
