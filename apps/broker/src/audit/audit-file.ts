import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

import { tryLock, unlock } from 'fs-native-extensions';

import { hashOf, readLine } from '#audit';

import { type AuditSink, codeOf, pause, type TrailEnd, WriteError, writeWhole } from './audit-sink.js';

/** The longest that another process is waited for that writes its line, in ms. That takes microseconds. */
const LOCK_WAIT_MS = 50;
/** The same at the start, when nobody is kept waiting: a chain that begins behind a line that is not the last one any more
 *  looks as if something were missing. */
const FIRST_LOCK_WAIT_MS = 2_000;
/** How much of the end is read to find the last whole line. */
const END_BYTES = 262_144;
const LINE_BREAK = 0x0a;

/**
 * A file that several processes of one machine may append to. They take turns by a lock of the operating system on the
 * file itself, so that one which takes back what it could not write to the end takes nothing of another's.
 */
export class AuditFile implements AuditSink {
  #fd = -1;
  /** Where the last line of ours ended: behind its line break. */
  #endedAt = -1;

  constructor(private readonly path: string) {}

  open(make: (end: TrailEnd) => string): void {
    makeFolder(dirname(this.path));
    this.#fd = this.#opened();
    this.#append((size) => {
      const { lastHash, torn } = this.#end(size);
      return [torn, make({ lastHash, torn })];
    }, FIRST_LOCK_WAIT_MS);
  }

  append(make: (torn: string | undefined) => string): void {
    // Removed, and not replaced yet: what were written there now would be lost with it.
    if (fstatSync(this.#fd).nlink === 0) this.#reopen();
    this.#append((size) => {
      const torn = this.#endsWhole(size) ? undefined : this.#end(size).torn;
      return [torn, make(torn)];
    });
  }

  /** Goes on in a new file if this one was renamed or removed, as logrotate does. */
  look(): void {
    const ours = fstatSync(this.#fd);
    const named = statSync(this.path, { throwIfNoEntry: false });
    if (named?.ino !== ours.ino || named.dev !== ours.dev) this.#reopen();
  }

  #append(make: (size: number) => [torn: string | undefined, line: string], waitMs = LOCK_WAIT_MS): void {
    const isOurs = this.#lock(waitMs);
    try {
      const { size } = fstatSync(this.#fd);
      const [torn, line] = make(size);
      this.#write(Buffer.from(torn === undefined ? line : `\n${line}`), size, isOurs);
    } finally {
      if (isOurs) unlock(this.#fd);
    }
  }

  #write(bytes: Buffer, size: number, isOurs: boolean): void {
    try {
      writeWhole(this.#fd, bytes);
      this.#endedAt = size + bytes.length;
    } catch (error) {
      this.#endedAt = -1;
      const written = error instanceof WriteError ? error.written : 0;
      if (written > 0 && isOurs) ftruncateSync(this.#fd, size);
      // Else whoever writes next finds the piece, and records it. A line without its line break is a whole one.
      else if (written === bytes.length - 1) return;
      throw error;
    }
  }

  /** @throws NodeJS.ErrnoException */
  #opened(): number {
    const fd = openSync(this.path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    throw Object.assign(new Error('not a file'), { code: 'not a regular file' });
  }

  #reopen(): void {
    const fd = this.#opened();
    closeSync(this.#fd);
    this.#fd = fd;
    this.#endedAt = -1;
  }

  #lock(waitMs: number): boolean {
    const giveUpAtMs = performance.now() + waitMs;
    try {
      while (!tryLock(this.#fd)) {
        if (performance.now() >= giveUpAtMs) return false;
        pause();
      }
      return true;
    } catch {
      // A file system without locks.
      return false;
    }
  }

  #endsWhole(size: number): boolean {
    return size === this.#endedAt || size === 0 || this.#read(size - 1, size)[0] === LINE_BREAK;
  }

  #end(size: number): TrailEnd {
    const bytes = this.#read(Math.max(0, size - END_BYTES), size);
    const lastBreak = bytes.lastIndexOf(LINE_BREAK);
    const piece = bytes.subarray(lastBreak + 1);
    const torn = piece.length > 0 ? hashOf(piece) : undefined;
    for (let end = bytes.length - (torn === undefined ? 1 : 0); end > 0;) {
      const begin = bytes.lastIndexOf(LINE_BREAK, end - 1) + 1;
      const line = readLine(bytes.subarray(begin, end));
      if (line?.intact) return { lastHash: line.hash, torn };
      end = begin - 1;
    }
    return { lastHash: null, torn };
  }

  #read(from: number, to: number): Buffer {
    const bytes = Buffer.alloc(to - from);
    return bytes.subarray(0, readSync(this.#fd, bytes, 0, bytes.length, from));
  }
}

/** The file's own folder, not those above: a path that is mistaken should fail. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}
