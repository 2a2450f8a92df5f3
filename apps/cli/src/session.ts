import type { Command } from 'commander';

import { Api } from './api.js';
import { Output } from './output.js';
import { callerKey } from './secrets.js';

interface GlobalOptions {
  readonly url: string;
  readonly keyFile?: string;
  readonly json?: boolean;
}

/** What a command works with: the broker to talk to, and how to show what it says. */
export interface Session {
  readonly api: Api;
  readonly output: Output;
}

export async function sessionOf(command: Command): Promise<Session> {
  const { url, keyFile, json = false } = command.optsWithGlobals<GlobalOptions>();
  return { api: new Api(url.replace(/\/+$/, ''), await callerKey(keyFile)), output: new Output(json) };
}
