import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { unpacked } from './debian-packages.js';
import { aFolder } from './folder.js';

/** The environment of a process whose wall clock is wrong by some seconds. Its monotonic clock runs true. */
export async function withClockWrongBy(seconds: number): Promise<Record<string, string>> {
  return { ...(await preload()), FAKETIME: offset(seconds) };
}

/** A wall clock that can be stepped while the process runs. */
export class SteppedClock {
  private constructor(
    private readonly path: string,
    readonly env: Record<string, string>,
  ) {}

  static async create(): Promise<SteppedClock> {
    const path = join(aFolder(), 'clock');
    const clock = new SteppedClock(path, {
      ...(await preload()),
      FAKETIME_TIMESTAMP_FILE: path,
      FAKETIME_NO_CACHE: '1',
    });
    clock.set(0);
    return clock;
  }

  /** Sets the clock so that it is wrong by this much from now on. */
  set(seconds: number): void {
    // Whole or not at all: the process may read at any moment.
    writeFileSync(`${this.path}.new`, `${offset(seconds)}\n`);
    renameSync(`${this.path}.new`, this.path);
  }
}

/** With glibc's malloc before any other: jemalloc asks for the time before libfaketime can tell it. */
async function preload(): Promise<Record<string, string>> {
  const { libraries } = await unpacked('faketime', ['libfaketime']);
  return { LD_PRELOAD: `${join(libraries, 'faketime/libfaketime.so.1')} libc.so.6`, DONT_FAKE_MONOTONIC: '1' };
}

function offset(seconds: number): string {
  return `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}`;
}
