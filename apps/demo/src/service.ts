import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { WriteStream } from 'node:fs';
import { join } from 'node:path';

const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 20_000;
/** JSON, or what begins with the time. */
const LOG_LINE = /^(\{|\[\d\d:\d\d:)/;

/** One of the built applications, running as it would in production: a plain node process. */
export class Service {
  #output = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(
    readonly name: string,
    env: NodeJS.ProcessEnv,
    log: WriteStream,
  ) {
    const entry = join(import.meta.dirname, '../..', name, 'src/main.js');
    this.#child = spawn(process.execPath, [entry], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-65_536);
        log.write(text);
      });
    }
  }

  /** Waits until it says where it listens.
   *  @throws ServiceError with its own words if it ends before */
  async address(): Promise<string> {
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), READY_WITHIN_MS);
    try {
      for (;;) {
        const url = /listening on (http:[^\s"]+)/.exec(this.#output)?.[1];
        if (url !== undefined) return url;
        await Promise.race([once(this.#child.stdout ?? this.#child, 'data'), this.#ended]);
        if (this.hasEnded) throw new ServiceError(this.#lastWords(), this.#child.exitCode ?? 1);
      }
    } finally {
      clearTimeout(limit);
    }
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves when it has ended, for whatever reason. */
  async ended(): Promise<void> {
    await this.#ended;
  }

  async stop(): Promise<void> {
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS);
    this.#child.kill('SIGTERM');
    await this.#ended;
    clearTimeout(limit);
  }

  #lastWords(): string {
    const lines = this.#output.split('\n').filter((line) => line !== '' && !LOG_LINE.test(line));
    return lines.join('\n') || `the ${this.name} ended before it listened`;
  }
}

/** A service that did not start, in its own words, with its own exit code. */
export class ServiceError extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
    this.name = 'ServiceError';
  }
}
