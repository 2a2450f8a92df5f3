import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { aFolder } from '../../../../test/support/folder.js';
import { stdout } from './stdout.js';

it('has written a line when the call returns', () => {
  const path = join(aFolder(), 'log');
  const fd = openSync(path, 'w');
  stdout(fd).write('{"a":1}\n');
  expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n');
  closeSync(fd);
});

it('goes on when nothing can be written', () => {
  const fd = openSync('/dev/full', 'w');
  const log = stdout(fd);
  for (let n = 0; n < 1_000; n += 1) log.write('{"a":1}\n');
  closeSync(fd);
  expect(() => log.write('{"a":1}\n')).not.toThrow();
});

it('neither waits for a reader that is stuck nor keeps what it does not take, and says afterwards how much was lost', () => {
  const path = join(aFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const log = stdout(fd);
  const line = `${JSON.stringify({ filler: 'x'.repeat(2_000) })}\n`;
  for (let n = 0; n < 100; n += 1) log.write(line);
  const read = () => {
    const bytes = Buffer.alloc(1_048_576);
    return bytes.subarray(0, readSync(fd, bytes)).toString();
  };
  const before = read();
  const whole = before.split('\n').filter((each) => `${each}\n` === line).length;
  expect(whole).toBeGreaterThan(10);
  log.write('{"a":1}\n');
  const after = read();
  closeSync(fd);
  // Of the line that was cut short the rest is missing, and nothing else is mixed into it.
  const said = `${before}${after}`.split('\n').flatMap((each) => (/^\{.*\}$/.test(each) ? [JSON.parse(each)] : []));
  const lost = said.map((each: { lost?: number }) => each.lost ?? 0).reduce((sum, each) => sum + each, 0);
  expect(lost).toBe(100 - whole);
  expect(said.at(-1)).toEqual({ a: 1 });
});
