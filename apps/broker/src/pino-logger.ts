import type { LoggerService } from '@nestjs/common';
import { type Logger, pino, stdTimeFunctions } from 'pino';

import type { LogLevel } from './config/broker-config.js';

/** The log through pino: one JSON object per line. We log objects, and the context becomes `room`; what is text comes
 *  from Nest, whose news of its routes is for debugging. */
export class PinoLogger implements LoggerService {
  readonly #pino: Logger;

  constructor(level: LogLevel) {
    this.#pino = pino({
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describe },
    });
  }

  log = (message: unknown, ...rest: unknown[]) =>
    this.#write(typeof message === 'string' ? 'debug' : 'info', message, rest);
  warn = (message: unknown, ...rest: unknown[]) => this.#write('warn', message, rest);
  error = (message: unknown, ...rest: unknown[]) => this.#write('error', message, rest);
  fatal = (message: unknown, ...rest: unknown[]) => this.#write('fatal', message, rest);
  debug = (message: unknown, ...rest: unknown[]) => this.#write('debug', message, rest);
  verbose = (message: unknown, ...rest: unknown[]) => this.#write('trace', message, rest);

  #write(level: Exclude<LogLevel, 'silent'>, message: unknown, rest: unknown[]): void {
    const room = rest.at(-1);
    if (message instanceof Error) this.#pino[level]({ room, error: message });
    else if (typeof message === 'string') this.#pino[level]({ room }, message);
    else this.#pino[level]({ room, ...Object(message) });
  }
}

/** Where and what an error was. Not its members: an error of a library may carry a whole request. */
function describe(error: unknown): unknown {
  return error instanceof Error ? { name: error.name, message: error.message, stack: error.stack } : String(error);
}
