import type { Command } from 'commander';

import { Api, CliError, EXIT } from './api.js';
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
  return { api: new Api(baseOf(url), await callerKey(keyFile)), output: new Output(json) };
}

/** Not repeated if it is wrong: a password may stand in it. */
function baseOf(url: string): string {
  const { protocol, username, password, search, hash } = URL.canParse(url) ? new URL(url) : ({} as Partial<URL>);
  if (!/^https?:$/.test(protocol ?? '') || `${username}${password}${search}${hash}` !== '') {
    throw new CliError('--url must be http or https, without user, query or fragment', EXIT.usage);
  }
  return url.endsWith('/') ? url.slice(0, -1) : url;
}
