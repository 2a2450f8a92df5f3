// Writes docs/faults.md from what the rows of the failure matrix have kept. With --clear, forgets what they kept.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

import { format, resolveConfig } from 'prettier';

const root = join(import.meta.dirname, '../..');
const kept = join(root, '.cache/faults');
const target = join(root, 'docs/faults.md');
const ROWS = 30;

if (process.argv.includes('--clear')) rmSync(kept, { recursive: true, force: true });
else await write();

async function write() {
  const numbers = Array.from({ length: ROWS }, (_, index) => index + 1);
  const rows = numbers.map((number) => read(join(kept, `${number}.json`)));
  const wrong = numbers.filter((_, index) => rows[index]?.passed !== true);
  if (wrong.length > 0) {
    process.stderr.write(`No table: these rows of the failure matrix failed or did not run: ${wrong.join(', ')}\n`);
    process.exitCode = 1;
    return;
  }
  const { version: ioredis } = JSON.parse(readFileSync(join(root, 'node_modules/ioredis/package.json'), 'utf8'));
  const text = `# What was done to it, and what it did

Each row is a test on real processes: brokers as in production, Redis (Sentinel, Cluster), and the sandbox, which counts
the calls that reach it. \`npm run test:faults\` runs them all and writes this page.

Each test also asserts that no caller got a token inside the safety margin, checked against the token's own claim and
against the upstream's other API, and that no process crashed or printed an error that only a defect explains. Settings
are the defaults, but for leases of 2 to 3 s where a row waits for one to end, a grace of 5 s for failovers, and upstream
time limits and token lives in the rows that are about them.

${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, Redis ${rows[0].redis}, ioredis ${ioredis}, ${cpus().length} cores for everything.

| # | Fault | Must hold | Seen |
|---|---|---|---|
${rows.map(({ row, fault, expected, seen }) => `| ${[row, fault, expected, seen].map(cell).join(' | ')} |`).join('\n')}
`;
  const options = await resolveConfig(target);
  writeFileSync(target, await format(text, { ...options, parser: 'markdown' }));
  process.stdout.write(`All ${ROWS} rows hold: docs/faults.md\n`);
}

function read(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

function cell(value) {
  return String(value).replaceAll('|', '\\|');
}
