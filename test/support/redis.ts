import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

import { aFolder } from './folder.js';
import { findRedis } from './redis-binaries.js';

const READY_WITHIN_MS = 10_000;
const STOP_WITHIN_MS = 5_000;

/** A real Redis of its own: empty, on a free port of loopback, keeping nothing. Ends with the test file. */
export class RunningRedis {
  private constructor(
    readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(options: readonly string[] = [], port?: number): Promise<RunningRedis> {
    const { server, env } = await findRedis();
    const at = port ?? (await freePort());
    const quiet = ['--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--port', String(at)];
    const child = spawn(server, [...quiet, ...options], {
      cwd: aFolder(),
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const redis = new RunningRedis(child, at);
    running.add(redis);
    await redis.#untilReady();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    running.delete(this);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    const limit = setTimeout(() => this.child.kill('SIGKILL'), STOP_WITHIN_MS);
    this.child.kill(signal);
    await ended;
    clearTimeout(limit);
  }

  async #untilReady(): Promise<void> {
    let said = '';
    const limit = setTimeout(() => this.child.kill('SIGKILL'), READY_WITHIN_MS);
    await new Promise<void>((resolve, reject) => {
      this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes('Ready to accept connections')) resolve();
      });
      this.child.once('error', reject);
      this.child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${said}`)));
    }).finally(() => clearTimeout(limit));
  }
}

const running = new Set<RunningRedis>();

afterAll(async () => {
  await Promise.all([...running].map((redis) => redis.stop()));
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
