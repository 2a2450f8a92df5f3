/**
 * Writes to an audit trail, from the built broker, as one of its processes would.
 * audit-writer.mjs PATH            lines without end; says after each how many there are
 * audit-writer.mjs PATH COUNT      so many lines
 * audit-writer.mjs stdout          2000 lines to a standard output that nobody may read; two more once there is input
 * audit-writer.mjs PATH full       until the file system is full, then goes on when there is room; says as JSON what was
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { Logger } from '@nestjs/common';

import { AuditFile } from '../../dist/apps/broker/src/audit/audit-file.js';
import { AuditLog } from '../../dist/apps/broker/src/audit/audit-log.js';
import { AuditStdout } from '../../dist/apps/broker/src/audit/audit-stdout.js';

Logger.overrideLogger(false);
const [path, mode] = process.argv.slice(2);
const log = new AuditLog(path === 'stdout' ? new AuditStdout() : new AuditFile(path), path);
const write = (n) => log.write('token.given', { n, filler: 'x'.repeat((n * 37) % 900) });

if (path === 'stdout') {
  // From now on a full pipe is an error, and no wait.
  process.stdout.write('');
  log.start();
  for (let n = 1; n <= 2_000; n += 1) write(n);
  process.stderr.write(JSON.stringify({ lost: log.lost, written: log.written }));
  process.stdin.once('data', () => {
    write(0);
    log.stop();
    process.exit();
  });
} else if (mode === 'full') {
  const ballast = join(dirname(path), 'ballast');
  writeFileSync(ballast, Buffer.alloc(16_384));
  log.start();
  let n = 0;
  while (log.lost < 5 && n < 10_000) write((n += 1));
  const whole = readFileSync(path, 'utf8').endsWith('}\n');
  rmSync(ballast);
  write(n + 1);
  log.stop();
  process.stdout.write(
    JSON.stringify({ lost: log.lost, written: log.written, whole, text: readFileSync(path, 'utf8') }),
  );
} else {
  const most = Number(mode ?? Infinity);
  log.start();
  for (let n = 1; n <= most; n += 1) {
    write(n);
    if (mode === undefined) process.stdout.write(`${log.written}\n`);
  }
  log.stop();
}
