import { writeSync } from 'node:fs';
import { isNativeError } from 'node:util/types';

/** What was found at the end of what has been written so far. */
export interface TrailEnd {
  /** The hash of the last whole line; null if there is none, or nobody can know. */
  readonly lastHash: string | null;
  /** The hash of a piece of a line that stands there instead of a line: the line to come must record it. */
  readonly torn: string | undefined;
}

/** Where the lines of the trail go. */
export interface AuditSink {
  /** Opens it and writes the first line.
   *  @throws NodeJS.ErrnoException */
  open(make: (end: TrailEnd) => string): void;
  /** Writes a line whole, before it returns. What a failure leaves of it is no line for whoever reads.
   *  @throws NodeJS.ErrnoException */
  append(make: (torn: string | undefined) => string): void;
  /** Called every second. */
  look(): void;
}

export class WriteError extends Error {
  constructor(
    readonly written: number,
    override readonly cause: unknown,
  ) {
    super('not written to its end');
    this.name = 'WriteError';
  }
}

const PAUSE_MS = 2;
const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Stops the process for a moment. */
export function pause(): void {
  Atomics.wait(nobody, 0, 0, PAUSE_MS);
}

/** Writes to the end, however many writes that takes.
 *  @param patienceMs how long a full pipe is waited for
 *  @throws WriteError */
export function writeWhole(fd: number, bytes: Buffer, patienceMs = 0): void {
  const giveUpAtMs = performance.now() + patienceMs;
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN' || performance.now() >= giveUpAtMs) throw new WriteError(written, error);
      pause();
    }
  }
}

export function codeOf(error: unknown): string {
  if (error instanceof WriteError) return codeOf(error.cause);
  return isNativeError(error) && 'code' in error ? String(error.code) : 'unexpected error';
}
