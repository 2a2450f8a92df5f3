import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';

import { isExecutable, unpacked } from './debian-packages.js';
import { aFolder, scratch } from './folder.js';
import { eventually, root } from './processes.js';
import { freePort } from './redis.js';

const READY_WITHIN_MS = 10_000;
const STOP_WITHIN_MS = 5_000;
/** Where it may write, which would be folders of the system otherwise. */
const SCRATCH = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** A real nginx before one broker, or before several. Ends with the test file. */
export class RunningNginx {
  private constructor(
    readonly child: ChildProcess,
    /** With the prefix, and without a slash at its end. */
    readonly url: string,
    private readonly folder: string,
    private readonly endsBy: NodeJS.Signals,
  ) {}

  /** `<url><prefix>x` is the broker's `/x`.
   *  @param prefix begins and ends with a slash
   *  @param headers what it tells the broker besides */
  static async start(upstream: string, prefix: string, headers: Record<string, string> = {}): Promise<RunningNginx> {
    const port = await freePort();
    const folder = aFolder();
    const told = Object.entries(headers).map(([name, value]) => `proxy_set_header ${name} "${value}";`);
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr warn;
      events { worker_connections 64; }
      http {
        access_log off;
        ${SCRATCH.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
        server {
          listen 127.0.0.1:${port};
          location ${prefix} { proxy_pass ${upstream}/; ${told.join(' ')} }
        }
      }`,
    );
    const child = await spawnNginx(folder);
    // At once: its folder, from which it would remove a file, may be gone already.
    return new RunningNginx(child, urlOf(port) + prefix.slice(0, -1), folder, 'SIGKILL').#ready(port);
  }

  /** With the configuration of `deploy/nginx`, in front of brokers on these ports of loopback. */
  static async balance(ports: readonly number[]): Promise<RunningNginx> {
    const port = await freePort();
    const folder = aFolder();
    const changes = { 'listen 8080;': `listen 127.0.0.1:${port};`, 'pid /tmp/': `pid ${scratch}/${port}-` };
    const conf = Object.entries(changes).reduce(replaceOnce, deployed('nginx.conf'));
    writeFileSync(join(folder, 'nginx.conf'), conf.replaceAll('_temp_path /tmp/', `_temp_path ${folder}/`));
    writeBrokers(folder, ports);
    // Its workers would be somebody else otherwise, whom the folder is closed to.
    const user = process.getuid?.() === 0 ? 'user root;' : '';
    const child = await spawnNginx(folder, '-g', `daemon off; ${user}`);
    return new RunningNginx(child, urlOf(port), folder, 'SIGTERM').#ready(port);
  }

  /** From now on it shares requests out among these. Those under way are finished. */
  rebalance(ports: readonly number[]): void {
    writeBrokers(this.folder, ports);
    this.child.kill('SIGHUP');
  }

  async stop(): Promise<void> {
    running.delete(this);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    const limit = setTimeout(() => this.child.kill('SIGKILL'), STOP_WITHIN_MS);
    this.child.kill(this.endsBy);
    await ended;
    clearTimeout(limit);
  }

  async #ready(port: number): Promise<this> {
    running.add(this);
    await eventually(() => {
      if (this.child.exitCode !== null) throw new Error(`nginx ended: ${readFileSync(logIn(this.folder), 'utf8')}`);
      return answers(port);
    }, READY_WITHIN_MS);
    return this;
  }
}

const running = new Set<RunningNginx>();

afterAll(async () => {
  await Promise.all([...running].map((nginx) => nginx.stop()));
});

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

async function spawnNginx(folder: string, ...more: string[]): Promise<ChildProcess> {
  const args = ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf'), ...more];
  // It tells of each connection that fails; a test judges by what callers see.
  return spawn(await findNginx(), args, { stdio: ['ignore', 'ignore', openSync(logIn(folder), 'a')] });
}

function logIn(folder: string): string {
  return join(folder, 'nginx.log');
}

function deployed(file: string): string {
  return readFileSync(join(root, 'deploy/nginx', file), 'utf8');
}

function replaceOnce(text: string, [from, to]: [string, string]): string {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`nginx.conf must have one ${from}`);
  return parts.join(to);
}

/** Those of `deploy/nginx/brokers.conf`, at other addresses. */
function writeBrokers(folder: string, ports: readonly number[]): void {
  const [, options] = /^server broker-1:3000 resolve (.+;)$/m.exec(deployed('brokers.conf')) ?? [];
  if (options === undefined) throw new Error('brokers.conf must have a line for broker-1');
  writeFileSync(join(folder, 'brokers.conf'), ports.map((port) => `server 127.0.0.1:${port} ${options}\n`).join(''));
}

/** From the PATH, or where Debian has it, which is no folder of everybody's PATH; else Debian's package, unpacked. */
async function findNginx(path = process.env['PATH'] ?? ''): Promise<string> {
  for (const folder of [...path.split(delimiter), '/usr/sbin']) {
    const nginx = join(folder, 'nginx');
    if (folder !== '' && (await isExecutable(nginx))) return nginx;
  }
  const { root: unpackedRoot } = await unpacked('nginx', ['nginx']);
  return join(unpackedRoot, 'usr/sbin/nginx');
}

async function answers(port: number): Promise<true | undefined> {
  const socket = connect(port, '127.0.0.1');
  const isThere = await once(socket, 'connect').then(
    () => true as const,
    () => undefined,
  );
  socket.destroy();
  return isThere;
}
