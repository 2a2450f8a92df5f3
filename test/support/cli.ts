import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { root } from './processes.js';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** What it printed as JSON; empty if that is none. */
  readonly json: Record<string, unknown>;
}

export interface CliStart {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** What comes in on standard input. */
  readonly input?: string;
}

/** Runs the command `token-broker` as an operator would, with nothing of our own environment but PATH. */
export async function runCli(args: readonly string[], { cwd, env, input = '' }: CliStart): Promise<Ran> {
  const child = spawn(process.execPath, [join(root, 'dist/apps/cli/src/main.js'), ...args], {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  // A command that needs no input may have ended before it came.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  await once(child, 'close');
  return { code: child.exitCode, out, err, json: parsed(out) };
}

function parsed(text: string): Ran['json'] {
  try {
    return JSON.parse(text) as Ran['json'];
  } catch {
    return {};
  }
}
