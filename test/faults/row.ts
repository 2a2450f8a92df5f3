import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { findRedis } from '../support/redis-binaries.js';
import { expectNobodyHarmed, printed } from '../support/replicas.js';

const folder = join(import.meta.dirname, '../../.cache/faults');

/** What a row of the failure matrix showed. */
export interface Seen {
  /** Upstream calls for the key, or what they were where there are several. */
  readonly calls: number | string;
  readonly slowestMs: number;
  readonly also?: string;
}

let redisVersion = '';

beforeAll(async () => {
  const { server, env } = await findRedis();
  redisVersion = /v=(\S+)/.exec(execFileSync(server, ['--version'], { env, encoding: 'utf8' }))?.[1] ?? '';
}, 240_000);

/** A test for one row of the failure matrix. What it showed is kept for the table in docs/faults.md.
 *  @param fault and `expected` as in the matrix */
export function row(number: number, fault: string, expected: string, run: () => Promise<Seen>, limitMs = 60_000): void {
  it(
    `${number}. ${fault}: ${expected}`,
    async () => {
      keep(number, { fault, expected, seen: 'it failed', passed: false });
      const { calls, slowestMs, also } = await run().catch((error: unknown) => {
        writeFileSync(join(folder, `${number}.log`), printed());
        throw error;
      });
      expectNobodyHarmed();
      const count = typeof calls === 'string' ? calls : calls === 1 ? '1 call' : `${calls} calls`;
      const seen = `${count}, slowest ${slowestMs} ms${also === undefined ? '' : `, ${also}`}`;
      keep(number, { fault, expected, seen, passed: true });
      process.stdout.write(`row ${number}, ${fault}: ${seen}\n`);
    },
    limitMs,
  );
}

function keep(number: number, what: { fault: string; expected: string; seen: string; passed: boolean }): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${number}.json`), JSON.stringify({ row: number, ...what, redis: redisVersion }, null, 2));
}
