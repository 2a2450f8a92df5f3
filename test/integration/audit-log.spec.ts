import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';

import { Logger } from '@nestjs/common';

import { hashOf } from '#audit';

import { AuditFile } from '../../apps/broker/src/audit/audit-file.js';
import { AuditLog } from '../../apps/broker/src/audit/audit-log.js';
import type { AuditSink } from '../../apps/broker/src/audit/audit-sink.js';
import { aFolder } from '../support/folder.js';
import { eventually, root } from '../support/processes.js';
import { linesIn, linesOf, verdictOn, verdictOnFile } from '../support/trail.js';

const writer = join(root, 'test/support/audit-writer.mjs');

Logger.overrideLogger(false);

function aTrail(path = join(aFolder(), 'audit.jsonl')) {
  const log = new AuditLog(new AuditFile(path), path);
  log.start();
  return { path, log };
}

it('is a file of its owner’s, in a folder of its owner’s, of whole lines that are there at once', () => {
  const folder = join(aFolder(), 'made');
  const { path, log } = aTrail(join(folder, 'audit.jsonl'));
  log.write('token.given', { caller: 'shop' });
  expect(linesIn(path)).toMatchObject([
    { seq: 1, event: 'audit.started', prev: null },
    { seq: 2, event: 'token.given', caller: 'shop' },
  ]);
  log.stop();
  expect(linesIn(path)[2]).toMatchObject({ event: 'audit.stopped' });
  expect([statSync(path).mode & 0o777, statSync(folder).mode & 0o777]).toEqual([0o600, 0o700]);
  expect([log.written, log.lost]).toEqual([3, 0]);
});

it('of a process that starts again goes on after the last whole line, and records what a crash has torn', () => {
  const { path, log } = aTrail();
  log.write('token.given', {});
  const last = linesIn(path).at(-1)!;
  appendFileSync(path, '{"seq":3,"at":"20');
  expect(verdictOnFile(path).problems).toMatchObject([{ kind: 'torn_end', line: 3 }]);
  aTrail(path);
  expect(linesIn(path).at(-1)).toMatchObject({
    event: 'audit.started',
    prev: last['hash'],
    torn: hashOf('{"seq":3,"at":"20'),
  });
  expect(verdictOnFile(path)).toMatchObject({ isFine: true, lines: 3 });
});

it('records the piece that another process has left, whichever writes next', () => {
  const { path, log } = aTrail();
  const other = aTrail(path);
  appendFileSync(path, '{"seq":9');
  log.write('token.given', {});
  other.log.write('token.given', {});
  expect(verdictOnFile(path)).toMatchObject({ isFine: true, lines: 4, chains: [{}, {}] });
});

it('killed in the middle of writing, at any moment, is fine after the next start', async () => {
  const path = join(aFolder(), 'audit.jsonl');
  for (let round = 0; round < 12; round += 1) {
    const child = spawn(process.execPath, [writer, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  aTrail(path);
  const verdict = verdictOnFile(path);
  expect(verdict).toMatchObject({ isFine: true, problems: [] });
  expect(verdict.chains).toHaveLength(13);
  expect(verdict.lines).toBeGreaterThan(100);
}, 60_000);

it('written by several processes at once is fine', async () => {
  const path = join(aFolder(), 'audit.jsonl');
  const children = [1, 2, 3].map(() => spawn(process.execPath, [writer, path, '3000'], { stdio: 'inherit' }));
  await Promise.all(children.map((child) => once(child, 'exit')));
  expect(verdictOnFile(path)).toMatchObject({ isFine: true, lines: 3 * 3_002, chains: [{}, {}, {}] });
}, 60_000);

it('on a full disk loses lines, counts them, and leaves none half', async () => {
  const folder = aFolder();
  // A small file system of its own, in a mount namespace that ends with the process.
  const inside = 'mount -t tmpfs -o size=128k tmpfs "$1" && exec "$2" "$3" "$1/audit.jsonl" full';
  const child = spawn('unshare', ['-rm', 'sh', '-c', inside, 'sh', folder, process.execPath, writer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code]] = await Promise.all([textOf(child.stdout), once(child, 'close')]);
  expect(code).toBe(0);
  const said = output.slice(output.lastIndexOf('{"lost"'));
  const seen = JSON.parse(said) as { lost: number; written: number; whole: boolean; text: string };
  expect([seen.lost, seen.whole]).toEqual([5, true]);
  // A short line may still find room where a long one did not.
  const counts = linesOf(seen.text)
    .filter(({ event }) => event === 'audit.lost')
    .map(({ count }) => Number(count));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(5);
  expect(verdictOn(seen.text)).toMatchObject({ isFine: true, lines: seen.written });
}, 30_000);

it('on a standard output that nobody reads loses lines, and does not wait for ever', async () => {
  const child = spawn(process.execPath, [writer, 'stdout'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const [said] = (await once(child.stderr, 'data')) as [Buffer];
  const { lost, written } = JSON.parse(said.toString()) as { lost: number; written: number };
  expect(lost).toBeGreaterThan(100);
  const output = textOf(child.stdout);
  child.stdin.end('go on');
  const text = await output;
  expect(text).toContain(`"event":"audit.lost","count":${lost},`);
  expect(verdictOn(text)).toMatchObject({ isFine: true, lines: written + 3 });
}, 30_000);

describe('renamed or removed', () => {
  it('goes on in a new file, in the same chain', async () => {
    const { path, log } = aTrail();
    log.write('token.given', { n: 1 });
    renameSync(path, `${path}.1`);
    log.write('token.given', { n: 2 });
    await eventually(() => (statSync(path, { throwIfNoEntry: false }) ? true : undefined), 3_000);
    log.write('token.given', { n: 3 });
    expect(verdictOn(readFileSync(`${path}.1`, 'utf8') + readFileSync(path, 'utf8'))).toMatchObject({
      isFine: true,
      lines: 4,
      chains: [{}],
    });
    const before = String(linesIn(`${path}.1`).at(-1)!['hash']);
    expect(verdictOnFile(path).isFine).toBe(false);
    expect(verdictOnFile(path, { after: [before] }).isFine).toBe(true);
  });

  it('writes nothing into a file that is gone', () => {
    const { path, log } = aTrail();
    rmSync(path);
    log.write('token.given', { n: 1 });
    expect(linesIn(path)).toMatchObject([{ seq: 2, n: 1 }]);
  });
});

it.each<[string, (folder: string) => string, string]>([
  ['is a folder', (folder) => folder, 'EISDIR'],
  ['lies in a folder that is not there', (folder) => join(folder, 'a/b/audit.jsonl'), 'ENOENT'],
  ['lies in a file', (folder) => (writeFileSync(join(folder, 'file'), ''), join(folder, 'file/x')), 'ENOTDIR'],
  ['is a device', () => '/dev/null', 'not a regular file'],
])('that %s is refused in one line', (_, pathIn, reason) => {
  const path = pathIn(aFolder());
  expect(() => aTrail(path)).toThrow(`AUDIT_LOG ${path} cannot be opened and written (${reason})`);
});

it('that is not its owner’s to write is refused in one line', async () => {
  const path = join(aFolder(), 'audit.jsonl');
  mkdirSync(path.replace('audit.jsonl', 'closed'), { mode: 0o500 });
  writeFileSync(path, '', { mode: 0o400 });
  chmodSync(path, 0o400);
  // Root may write everything: somebody else tries.
  const open = `new (await import('${root}/dist/apps/broker/src/audit/audit-log.js')).AuditLog(new (await import('${root}/dist/apps/broker/src/audit/audit-file.js')).AuditFile('${path}'), 'x').start()`;
  const script = `process.setuid?.(65534); try { ${open} } catch (e) { console.log(e.message) }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  expect(await textOf(child.stdout)).toMatch(/AUDIT_LOG x cannot be opened and written \(EACCES\)/);
});

it('counts what is lost, says so once for each time, and begins with that when it is back', () => {
  const texts: string[] = [];
  let isFull = false;
  const sink: AuditSink = {
    open: (make) => texts.push(make({ lastHash: null, torn: undefined })),
    append(make) {
      if (isFull) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      texts.push(make(undefined));
    },
    look: () => {},
  };
  const log = new AuditLog(sink, 'memory');
  const recoveries: number[] = [];
  log.onRecovery(() => recoveries.push(texts.length));
  log.start();
  for (const full of [true, false, true]) {
    isFull = full;
    for (let n = 0; n < 3; n += 1) log.write('token.given', { n });
  }
  isFull = false;
  log.stop();
  expect(texts.map((text) => JSON.parse(text) as object)).toMatchObject([
    { event: 'audit.started' },
    { event: 'audit.lost', count: 3 },
    { event: 'token.given' },
    { event: 'token.given' },
    { event: 'token.given' },
    { event: 'audit.lost', count: 3 },
    { event: 'audit.stopped' },
  ]);
  expect([log.lost, log.written, recoveries]).toEqual([6, 7, [2, 6]]);
  expect(verdictOn(texts.join('')).isFine).toBe(true);
});
