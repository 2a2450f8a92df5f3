import { randomBytes } from 'node:crypto';

import { Logger } from '@nestjs/common';

import { AuditChain, type AuditFields, type NextLine } from '#audit';

import { ConfigError } from '../config/broker-config.js';
import { REPLICA_NAME } from '../config/replica-name.js';
import { type AuditSink, codeOf } from './audit-sink.js';

const LOOK_EVERY_MS = 1_000;

/** The audit trail of this process. What cannot be written is counted, and keeps nobody from being served. */
export class AuditLog {
  readonly #log = new Logger('audit');
  readonly #chain = new AuditChain(randomBytes(6).toString('hex'), REPLICA_NAME);
  readonly #recoveries = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #lost = 0;
  #lostEver = 0;
  #written = 0;

  constructor(
    private readonly sink: AuditSink,
    private readonly name: string,
  ) {}

  /** How many lines were written. */
  get written(): number {
    return this.#written;
  }

  /** How many could not be. */
  get lost(): number {
    return this.#lostEver;
  }

  /** Whether lines are lost now. */
  get failing(): boolean {
    return this.#lost > 0;
  }

  /** @throws ConfigError if it cannot be opened and written */
  start(): void {
    try {
      let line: NextLine | undefined;
      this.sink.open(({ lastHash, torn }) => {
        line = this.#chain.start(now(), lastHash, torn === undefined ? {} : { torn });
        return line.text;
      });
      this.#accept(line);
    } catch (error) {
      throw new ConfigError([`AUDIT_LOG ${this.name} cannot be opened and written (${codeOf(error)})`]);
    }
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  /** Writes a line, before it returns.
   *  @param fields without any secret */
  write(event: string, fields: AuditFields): void {
    if (this.#isBack() && this.#tryTo(event, fields)) return;
    this.#lost += 1;
    this.#lostEver += 1;
  }

  /** Calls `listener` when lines are written again after some were lost. */
  onRecovery(listener: () => void): void {
    this.#recoveries.add(listener);
  }

  /** Writes the last line. What still came after it would be written too. */
  stop(): void {
    clearInterval(this.#timer);
    this.write('audit.stopped', {});
  }

  #look(): void {
    try {
      this.sink.look();
    } catch (error) {
      this.#log.error({ event: 'audit_not_reopened', reason: codeOf(error) });
    }
    this.#isBack();
  }

  /** Nothing is written after a loss but behind the line that says how much was lost. */
  #isBack(): boolean {
    if (this.#lost === 0) return true;
    const lost = this.#lost;
    if (!this.#tryTo('audit.lost', { count: lost })) return false;
    this.#lost = 0;
    this.#log.warn({ event: 'audit_written_again', lost });
    for (const listener of this.#recoveries) listener();
    return true;
  }

  #tryTo(event: string, fields: AuditFields): boolean {
    try {
      let line: NextLine | undefined;
      this.sink.append((torn) => {
        line = this.#chain.next(now(), event, torn === undefined ? fields : { ...fields, torn });
        return line.text;
      });
      this.#accept(line);
      return true;
    } catch (error) {
      // Said once, until it is mended.
      if (this.#lost === 0) this.#log.error({ event: 'audit_unwritable', reason: codeOf(error) });
      return false;
    }
  }

  #accept(line: NextLine | undefined): void {
    line?.accept();
    this.#written += 1;
  }
}

function now(): string {
  return new Date().toISOString();
}
