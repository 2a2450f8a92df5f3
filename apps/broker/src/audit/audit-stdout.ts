import { hashOf } from '#audit';

import { type AuditSink, type TrailEnd, WriteError, writeWhole } from './audit-sink.js';

const STDOUT = 1;
/** How long a full pipe is waited for. Once it has lasted that long, the next lines do not wait. */
const PATIENCE_MS = 1_000;

/** Standard output, between the lines of the log. Whoever collects it keeps them. */
export class AuditStdout implements AuditSink {
  #torn: string | undefined;
  #isStuck = false;

  /** @param fd its file descriptor */
  constructor(private readonly fd = STDOUT) {}

  open(make: (end: TrailEnd) => string): void {
    this.append((torn) => make({ lastHash: null, torn }));
  }

  append(make: (torn: string | undefined) => string): void {
    const bytes = Buffer.from(this.#torn === undefined ? make(undefined) : `\n${make(this.#torn)}`);
    try {
      writeWhole(this.fd, bytes, this.#isStuck ? 0 : PATIENCE_MS);
      this.#torn = undefined;
      this.#isStuck = false;
    } catch (error) {
      this.#isStuck = true;
      const written = error instanceof WriteError ? error.written : 0;
      if (written > 0) this.#torn = hashOf(bytes.subarray(this.#torn === undefined ? 0 : 1, written));
      throw error;
    }
  }

  look(): void {}
}
