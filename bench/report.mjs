/** What the sections found: printed, kept in docs/performance.json, and written from that as docs/performance.md. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

import { format, resolveConfig } from 'prettier';

import { findRedis } from '../dist/test/support/redis-binaries.js';
import { svgOf } from './charts.mjs';
import { wrkVersion } from './load.mjs';
import { root } from './processes.mjs';

const DATA = join(root, 'docs/performance.json');
const PAGE = join(root, 'docs/performance.md');
const IMAGES = join(root, 'docs/images');

export function printSection({ title, rows }) {
  const lines = rows.map(
    (row) => `  ${row.measure}: ${row.found}${row.wanted === 'told' ? '' : `; wanted ${row.wanted}: ${mark(row)}`}`,
  );
  console.log(`${title}\n${lines.join('\n')}\n`);
}

/** Puts these sections in the place of what was known of them; with BENCH_WRITE=0 nothing.
 *  @param order ids of all sections, as they are to stand */
export async function writeReport(found, order) {
  if (process.env.BENCH_WRITE === '0') return;
  const machine = await describeMachine();
  const known = existsSync(DATA) ? JSON.parse(readFileSync(DATA, 'utf8')).sections : [];
  const news = found.map((section) => ({ ...section, machine }));
  const kept = known.filter(({ id }) => !found.some((section) => section.id === id));
  const sections = [...kept, ...news].toSorted((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
  for (const chart of sections.flatMap(({ charts }) => charts))
    writeImage(`performance-${chart.name}.svg`, svgOf(chart));
  await writePretty(DATA, JSON.stringify({ machine, sections }));
  await writePretty(PAGE, page(machine, sections));
}

/** @param name of a file in docs/images */
export function writeImage(name, svg) {
  if (process.env.BENCH_WRITE === '0') return;
  mkdirSync(IMAGES, { recursive: true });
  writeFileSync(join(IMAGES, name), svg);
}

async function writePretty(path, text) {
  writeFileSync(path, await format(text, { ...(await resolveConfig(path)), filepath: path }));
}

function page(machine, sections) {
  const aims = sections.flatMap(({ rows }) => rows.filter(({ wanted }) => wanted !== 'told'));
  return `# Performance

Written by \`npm run bench\`, with all its figures; not by hand. Servers are compared in the same run, in turns, on the same machine: **ratios are what to look at**, the rest depends on the machine and on who else uses it. What was wanted and not reached stands here as well.

${list(machine)}

## At a glance

${rowsTable(aims)}

${sections.map((section) => sectionText(section, machine)).join('\n\n')}
`;
}

function sectionText({ id, title, ran, rows, charts, notes, table: more, images = [], machine, busy }, current) {
  const elsewhere =
    JSON.stringify(machine) === JSON.stringify(current) ? '' : `, on another machine or version:\n\n${list(machine)}`;
  const pictures = [...charts.map((chart) => [chart.title, `performance-${chart.name}.svg`]), ...images];
  const parts = [
    `## ${title}`,
    `\`npm run bench -- ${id}\`, run on ${ran.slice(0, 10)}; just before, others used ${Math.round(busy * 100)} % of the processor${elsewhere}`,
    ...notes,
    rows.length > 0 && rowsTable(rows),
    ...pictures.map(([text, file]) => `![${text}](images/${file})`),
    more && table(more.head, more.rows),
  ];
  return parts.filter(Boolean).join('\n\n');
}

/** Only what was wanted somewhere has columns for it. */
function rowsTable(rows) {
  if (rows.every(({ wanted }) => wanted === 'told')) {
    return table(
      ['Measure', 'Found'],
      rows.map(({ measure, found }) => [measure, found]),
    );
  }
  return table(
    ['Measure', 'Wanted', 'Found', ''],
    rows.map((row) => [row.measure, row.wanted === 'told' ? '' : row.wanted, row.found, mark(row)]),
  );
}

function mark({ wanted, reached }) {
  if (wanted === 'told' || reached === null) return '';
  return reached ? 'reached' : '**not reached**';
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function list(machine) {
  return Object.entries(machine)
    .map(([name, value]) => `- ${name}: ${value}`)
    .join('\n');
}

/** Nothing by which the machine itself could be told. */
async function describeMachine() {
  const redis = await findRedis();
  const says = execFileSync(redis.server, ['--version'], { env: { ...process.env, ...redis.env }, encoding: 'utf8' });
  const system = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const [, name = process.platform] = /^PRETTY_NAME="?([^"\n]*)/m.exec(system) ?? [];
  return {
    Processor: `${cpus()[0]?.model.trim() ?? arch()}, ${availableParallelism()} cores`,
    Memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    System: `${name}, ${process.platform} ${release().split('-')[0]}`,
    Node: process.version,
    Redis: /v=(\S+)/.exec(says)?.[1] ?? 'unknown',
    wrk: (await wrkVersion()) || 'none',
  };
}
