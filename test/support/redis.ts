import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

import { Redis } from 'ioredis';

import { aFolder } from './folder.js';
import { findRedis } from './redis-binaries.js';

const READY_WITHIN_MS = 10_000;
const STOP_WITHIN_MS = 5_000;
const QUIET = ['--save', '', '--appendonly', 'no', '--bind', '127.0.0.1'];

/** How to start it, besides the port. */
export interface RedisStart {
  readonly args?: readonly string[];
  readonly port?: number;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** What it prints when it is ready. */
  readonly ready?: string;
  /** Whether to add the port to the arguments. Default true. */
  readonly portOption?: boolean;
}

/** A real Redis of its own: empty, on a free port of loopback, keeping nothing. Ends with the test file. */
export class RunningRedis {
  #client: Redis | undefined;

  private constructor(
    readonly child: ChildProcess,
    readonly port: number,
    private readonly how: RedisStart,
  ) {}

  static start(args: readonly string[] = [], port?: number): Promise<RunningRedis> {
    return RunningRedis.startWith({ args: [...QUIET, ...args], ...(port !== undefined && { port }) });
  }

  static async startWith({ args = QUIET, ready = 'Ready to accept connections', ...how }: RedisStart) {
    const { server, env } = await findRedis();
    const port = how.port ?? (await freePort());
    const child = spawn(server, how.portOption === false ? args : [...args, '--port', String(port)], {
      cwd: how.cwd ?? aFolder(),
      env: { PATH: process.env['PATH'], ...env, ...how.env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const redis = new RunningRedis(child, port, { ...how, args, ready });
    running.add(redis);
    await redis.#untilReady(ready);
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** A connection for the test's own commands. */
  get client(): Redis {
    this.#client ??= new Redis(this.port, { retryStrategy: (times) => Math.min(times * 20, 200) });
    this.#client.on('error', () => {});
    return this.#client;
  }

  /** The same once more, empty and on the same port, after it was stopped. */
  startAgain(): Promise<RunningRedis> {
    return RunningRedis.startWith({ ...this.how, port: this.port });
  }

  /** From now on it answers nothing, and drops nothing either. */
  stall(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    running.delete(this);
    this.#client?.disconnect();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    const limit = setTimeout(() => this.child.kill('SIGKILL'), STOP_WITHIN_MS);
    this.child.kill(signal);
    this.resume();
    await ended;
    clearTimeout(limit);
  }

  async #untilReady(ready: string): Promise<void> {
    let said = '';
    const limit = setTimeout(() => this.child.kill('SIGKILL'), READY_WITHIN_MS);
    await new Promise<void>((resolve, reject) => {
      this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes(ready)) resolve();
      });
      this.child.once('error', reject);
      this.child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${said}`)));
    }).finally(() => clearTimeout(limit));
  }
}

const running = new Set<RunningRedis>();

// At once: one that wants to save first, into a folder that is gone already, would not end at all.
afterAll(async () => {
  await Promise.all([...running].map((redis) => redis.stop('SIGKILL')));
});

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** Ports that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
