import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

import type { LogFormat, LogLevel } from '../config/broker-config.js';
import { Repeats } from './repeats.js';
import { stdout } from './stdout.js';

/** The log through pino: one line per object, JSON or for people. We log objects, and the context becomes `room`; what is
 *  text comes from Nest, whose news of its routes is for debugging. The same warning or error is counted. */
export class PinoLogger implements LoggerService {
  readonly #pino: Logger;
  readonly #repeats = new Repeats((level, line) => this.#pino[level](line));

  private constructor(level: LogLevel, to: DestinationStream) {
    this.#pino = pino(
      {
        level,
        base: null,
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: describe },
      },
      to,
    );
  }

  /** @param to where the lines go, written before a call returns */
  static async open(level: LogLevel, format: LogFormat, to: DestinationStream = stdout()): Promise<PinoLogger> {
    if (format === 'json') return new PinoLogger(level, to);
    // Only where people read: 30 files that other starts need not wait for.
    const { prettily } = await import('./pretty.js');
    return new PinoLogger(level, prettily(to));
  }

  /** Lines of less are left out from now on. */
  set level(level: LogLevel) {
    this.#pino.level = level;
  }

  log = (message: unknown, ...rest: unknown[]) =>
    this.#write(typeof message === 'string' ? 'debug' : 'info', message, rest);
  warn = (message: unknown, ...rest: unknown[]) => this.#write('warn', message, rest);
  error = (message: unknown, ...rest: unknown[]) => this.#write('error', message, rest);
  fatal = (message: unknown, ...rest: unknown[]) => this.#write('fatal', message, rest);
  /** What is costly to make may be a function, which is called only if the line is written. */
  debug = (message: unknown, ...rest: unknown[]) => {
    if (typeof message !== 'function') this.#write('debug', message, rest);
    else if (this.#pino.isLevelEnabled('debug')) this.#write('debug', message(), rest);
  };
  verbose = (message: unknown, ...rest: unknown[]) => this.#write('trace', message, rest);

  /** Writes how often was logged what has been counted. Before the end. */
  flush(): void {
    this.#repeats.flush();
  }

  #write(level: Exclude<LogLevel, 'silent'>, message: unknown, rest: unknown[]): void {
    const line = { room: rest.at(-1), ...fieldsOf(message) };
    this.#repeats.hear(line);
    if (level === 'warn' || level === 'error') this.#repeats.note(level, line);
    else this.#pino[level](line);
  }
}

function fieldsOf(message: unknown): Record<string, unknown> {
  if (message instanceof Error) return { error: message };
  return typeof message === 'string' ? { msg: message } : { ...Object(message) };
}

/** Where and what an error was. Not its members: an error of a library may carry a whole request. */
function describe(error: unknown): unknown {
  return error instanceof Error ? { name: error.name, message: error.message, stack: error.stack } : String(error);
}
