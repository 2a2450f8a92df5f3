import { readFileSync } from 'node:fs';

import type { RedisClient } from './connection.js';

/** How many keys each script takes. Each stands in a file of its own under `scripts/`. */
const KEYS = {
  acquire: 1,
  renew: 1,
  commit: 1,
  fail: 1,
  seed: 1,
  invalidate: 1,
  find: 1,
  inspect: 1,
  enter: 4,
  extend: 2,
  leave: 4,
  'inspect-upstream': 4,
  index: 2,
  time: 1,
  'write-vault': 1,
  tell: 3,
  'say-goodbye': 2,
  'read-events': 1,
  'read-minutes': 1,
} as const;

export type ScriptName = keyof typeof KEYS;

/** Teaches a client the scripts. It sends a script's text only to a server that does not know it yet. */
export function defineScripts(client: RedisClient): void {
  const common = read('common');
  for (const [name, numberOfKeys] of Object.entries(KEYS)) {
    client.defineCommand(commandOf(name), { numberOfKeys, lua: `${common}\n${read(name)}` });
  }
}

/** Runs one; keys first, then its arguments. */
export async function runScript(
  client: RedisClient,
  name: ScriptName,
  ...args: readonly (string | number)[]
): Promise<unknown> {
  const command: unknown = Reflect.get(client, commandOf(name));
  if (typeof command !== 'function') throw new Error(`the script ${name} is not defined`);
  return Reflect.apply(command, client, args);
}

/** A name of its own, that no command of Redis has. */
function commandOf(name: string): string {
  return `tokenBroker:${name}`;
}

function read(name: string): string {
  return readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
}
