import { writeSync } from 'node:fs';

import type { DestinationStream } from 'pino';

const STDOUT = 1;

/** Standard output, written before a call returns. A log that cannot be written, its disk full or its reader stuck, holds
 *  up no token and ends nothing: what does not fit is left out, and said when lines fit again. Not pino's own: at such an
 *  error it ends the process, and its last flush then waits for the disk for ever. */
export function stdout(fd = STDOUT): DestinationStream {
  let lost = 0;
  let isTorn = false;
  const write = (text: string): void => {
    const bytes = Buffer.from(isTorn ? `\n${text}` : text);
    const written = tryToWrite(fd, bytes);
    if (written > 0) isTorn = written < bytes.length;
    if (written < bytes.length) throw new Error('not written to its end');
  };
  return {
    write: (line) => {
      try {
        if (lost > 0) write(`${JSON.stringify({ level: 'warn', event: 'log_lines_lost', lost })}\n`);
        lost = 0;
        write(line);
      } catch {
        lost += 1;
      }
    },
  };
}

/** @returns how many bytes */
function tryToWrite(fd: number, bytes: Buffer): number {
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(fd, bytes, written);
  } catch {
    // A full disk, a pipe that is full or closed. There is nowhere to say so.
  }
  return written;
}
