import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { isExecutable, unpacked } from './debian-packages.js';
import { aFolder } from './folder.js';
import { eventually } from './processes.js';
import { freePort } from './redis.js';

const READY_WITHIN_MS = 10_000;
const STOP_WITHIN_MS = 5_000;
/** Where it may write, which would be folders of the system otherwise. */
const SCRATCH = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** A real nginx before a broker: `<url><prefix>x` is the broker's `/x`. Ends with the test file. */
export class RunningNginx {
  private constructor(
    readonly child: ChildProcess,
    /** With the prefix, and without a slash at its end. */
    readonly url: string,
  ) {}

  /** @param prefix begins and ends with a slash
   *  @param headers what it tells the broker besides */
  static async start(upstream: string, prefix: string, headers: Record<string, string> = {}): Promise<RunningNginx> {
    const port = await freePort();
    const folder = aFolder();
    const file = join(folder, 'nginx.conf');
    const told = Object.entries(headers).map(([name, value]) => `proxy_set_header ${name} "${value}";`);
    writeFileSync(
      file,
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
    const child = spawn(await findNginx(), ['-p', folder, '-e', 'stderr', '-c', file], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const nginx = new RunningNginx(child, `http://127.0.0.1:${port}${prefix.slice(0, -1)}`);
    running.add(nginx);
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
      return answers(port);
    }, READY_WITHIN_MS);
    return nginx;
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
}

const running = new Set<RunningNginx>();

// At once: its folder, from which it would remove a file, is gone already.
afterAll(async () => {
  await Promise.all([...running].map((nginx) => nginx.stop('SIGKILL')));
});

/** From the PATH, or where Debian has it, which is no folder of everybody's PATH; else Debian's package, unpacked. */
async function findNginx(path = process.env['PATH'] ?? ''): Promise<string> {
  for (const folder of [...path.split(delimiter), '/usr/sbin']) {
    const nginx = join(folder, 'nginx');
    if (folder !== '' && (await isExecutable(nginx))) return nginx;
  }
  const { root } = await unpacked('nginx', ['nginx']);
  return join(root, 'usr/sbin/nginx');
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
