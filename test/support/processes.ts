import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';

import { aFolder } from './folder.js';

export const root = join(import.meta.dirname, '../..');

/** A process of ours, as in production: built code, plain node, nothing of our own environment but PATH. */
export interface RunningProcess {
  /** Where it listens, such as `http://127.0.0.1:43123`. */
  readonly url: string;
  readonly child: ChildProcess;
  /** All that it has printed so far, on both streams. */
  output(): string;
  /** SIGTERM, and SIGKILL if that does not end it within 20 s.
   *  @returns the exit code; null if it had to be killed */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface EndedProcess {
  readonly code: number | null;
  readonly output: string;
}

const started = new Set<RunningProcess>();
/** Until a start counts as hung: twenty may start at once, on two cores. */
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 20_000;

afterAll(async () => {
  await Promise.all([...started].map((each) => each.stop()));
});

/** A program, as it is to be run. */
export interface Program {
  readonly command: readonly string[];
  readonly env: Record<string, string>;
  readonly cwd: string;
  /** Where what it prints is kept. Default: `output.log` in `cwd`. */
  readonly log?: string;
}

function launch({ command: [file = '', ...args], env, cwd, log = join(cwd, 'output.log') }: Program) {
  const child = spawn(file, args, {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const kept = createWriteStream(log, { flags: 'a' });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      kept.write(text);
    });
  }
  const ended = once(child, 'close').then(() => kept.end());
  return { child, ended, output: () => output };
}

function built(entry: string, from = root): string[] {
  return [process.execPath, join(from, 'dist/apps', entry, 'src/main.js')];
}

/** Starts `apps/<entry>` and waits until it says where it listens.
 *  @param ready how it says it; the first group is the address
 *  @param from where `dist` is: another version's may run beside ours */
export function start(
  entry: string,
  env: Record<string, string>,
  cwd = aFolder(),
  ready = /listening on (http\S+)/,
  from = root,
): Promise<RunningProcess> {
  return startProgram({ command: built(entry, from), env, cwd }, ready);
}

/** The same, of any program. */
export async function startProgram(program: Program, ready = /listening on (http\S+)/): Promise<RunningProcess> {
  const { child, ended, output } = launch(program);
  const running = {
    child,
    output,
    url: '',
    async stop(signal: NodeJS.Signals = 'SIGTERM') {
      started.delete(running);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
      clearTimeout(timer);
      return child.exitCode;
    },
  };
  started.add(running);
  const url = await eventually(() => {
    if (child.exitCode !== null)
      throw new Error(`${program.command.join(' ')} ended with ${child.exitCode}: ${output()}`);
    return ready.exec(output())?.[1];
  }, READY_WITHIN_MS);
  return Object.assign(running, { url });
}

/** Runs `apps/<entry>` until it ends by itself. */
export async function runToEnd(entry: string, env: Record<string, string>, cwd = aFolder()): Promise<EndedProcess> {
  const { child, ended, output } = launch({ command: built(entry), env, cwd });
  const timer = setTimeout(() => child.kill('SIGKILL'), READY_WITHIN_MS);
  await ended;
  clearTimeout(timer);
  return { code: child.exitCode, output: output() };
}

/** The processes that this one has started and that still run. */
export function childrenOf(pid: number | undefined): number[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([child]) => child!);
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Waits until `look` finds something, looking every 10 ms. */
export async function eventually<T>(look: () => T | undefined | Promise<T | undefined>, limitMs = 5_000): Promise<T> {
  for (const deadline = Date.now() + limitMs; Date.now() < deadline;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not seen within ${limitMs} ms: ${look.toString()}`);
}
