/** Scale beyond this machine: the real core of many replicas against a simulated Redis and network. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { format, resolveConfig } from 'prettier';

import { limitsOf, redisLoad } from '../../dist/test/simulation/scale/limits.js';
import { COST } from '../../dist/test/simulation/scale/tally.js';
import { root } from '../processes.mjs';
import { simulateAll } from './growth.mjs';
import { measureMemory } from './memory-cost.mjs';
import { HELP, OptionError, readOptions } from './options.mjs';
import { measureRedis } from './redis-costs.mjs';
import { reportOf, textOf } from './report.mjs';

const DOCS = join(root, 'docs/scaling.md');
const MARK = (name, end) => `<!-- ${end ? 'end of ' : ''}simulation: ${name} -->`;

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const startedAt = performance.now();
  const say = (text, isPassing = false) => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0).padStart(4);
    if (!isPassing) process.stderr.write(`${process.stderr.isTTY ? '\r\u{1b}[K' : ''}${seconds} s  ${text}\n`);
    else if (process.stderr.isTTY) process.stderr.write(`\r\u{1b}[K${seconds} s  ${text}`);
  };
  const memory = await measureMemory({ tokenBytes: options.tokenBytes, say });
  const costs = await measureRedis({ replicas: options.model.replicas, tokenBytes: options.tokenBytes, say });
  if (costs) checkScripts(costs);
  else if (options.write) throw new OptionError('--write needs a redis-server to measure');
  const found = await simulateAll(options, say);
  const sections = reportOf(found, costs, memory, options);
  if (options.write) await writeDocs(sections);
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const resident = Math.round(process.resourceUsage().maxRSS / 1_024);
  say(`done, ${resident} MB at most`);
  if (options.json) {
    const limits = costs && limitsIn(found, costs, memory, options);
    process.stdout.write(`${JSON.stringify({ options, memory, costs, ...found, limits, seconds }, null, 2)}\n`);
  } else {
    process.stdout.write(sections.map((section) => textOf(section)).join('\n'));
  }
}

function limitsIn({ profiles, replicas }, costs, memory, options) {
  return Object.entries(profiles).map(([name, profile]) => ({
    profile: name,
    redis: redisLoad(profile, costs),
    limits: limitsOf(profile, replicas[name], { ...options, ...memory, costs }),
  }));
}

/** The simulation must count what the real store sends. */
function checkScripts({ costs }) {
  for (const [step, { scripts }] of Object.entries(costs)) {
    if (Math.abs(scripts - COST[step].scripts) < 0.05) continue;
    throw new Error(
      `the simulation counts ${COST[step].scripts} scripts for "${step}", Redis ran ${scripts.toFixed(2)}`,
    );
  }
}

/** Each section stands between two marks, in a document that is written by hand otherwise. */
async function writeDocs(sections) {
  let text = readFileSync(DOCS, 'utf8');
  for (const section of sections) {
    const [from, to] = [MARK(section.name, false), MARK(section.name, true)];
    const [start, end] = [text.indexOf(from), text.indexOf(to)];
    if (start < 0 || end < start) throw new Error(`docs/scaling.md has no place for "${section.name}"`);
    const { tables, notes } = section;
    const body = textOf({ title: '', tables, notes }).trim();
    text = `${text.slice(0, start + from.length)}\n\n${body}\n\n${text.slice(end)}`;
  }
  const style = await resolveConfig(DOCS);
  writeFileSync(DOCS, await format(text, { ...style, filepath: DOCS }));
}

try {
  await main();
  process.exit();
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  process.stderr.write(`${error.message}\n\n${HELP}`);
  process.exit(2);
}
