import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Answers } from '../support/answers.js';
import type { RunningBroker } from '../support/broker.js';
import { root } from '../support/processes.js';
import type { Replicas, Wanted } from '../support/replicas.js';

export const merchant_vat = 'DK12345678';

/** A grace longer than a failover takes, as the setting asks for: Sentinel's own part of it was seen to take 2.2 to 3.3 s,
 *  that of a cluster up to 3.8 s. */
export const PATIENT = { REDIS_GRACE_MS: '5000' };

/** A refresh of a cold key, as it is when the leader's call has just reached the upstream. */
export interface Refresh {
  readonly wanted: Wanted & { readonly merchant_vat: string };
  readonly leader: RunningBroker;
  /** What the callers got, who are spread over all replicas. */
  readonly asked: () => Promise<Answers>;
  readonly calls: () => Promise<number>;
}

/** @param latencyMs how long the upstream takes for each call of this client */
export async function refreshUnderWay(replicas: Replicas, latencyMs: number, callers = 60): Promise<Refresh> {
  const wanted = { client: replicas.aClient(), merchant_vat };
  await replicas.fault(wanted.client, { kind: 'latency', latency_ms: latencyMs });
  const asking = replicas.askAll(callers, wanted);
  const leader = await replicas.leaderOf(wanted);
  await replicas.untilCalled(wanted.client);
  return { wanted, leader, asked: () => asking, calls: () => replicas.calls(wanted.client) };
}

/** All got the same living token, everybody who asks now gets it as well, and the upstream saw so many calls. */
export async function expectOneToken(replicas: Replicas, refresh: Refresh, answers: Answers, calls = 1): Promise<void> {
  const later = await replicas.askAll(replicas.alive.length, refresh.wanted);
  await answers.and(later).expectAlive(replicas.sandbox);
  expect(answers.and(later).tokenIds).toHaveLength(1);
  expect(await refresh.calls()).toBe(calls);
}

/** Tells whether what is sent to Redis calls a script of ours: by its hash, or by its text on a new connection. */
export function callOf(script: string): (sent: string) => boolean {
  const [common = '', own = ''] = ['common', script].map((name) =>
    readFileSync(join(root, `dist/libs/redis/src/scripts/${name}.lua`), 'utf8'),
  );
  const sha = createHash('sha1').update(`${common}\n${own}`).digest('hex');
  const [firstLine = ''] = own.split('\n');
  return (sent) => sent.includes(sha) || sent.includes(firstLine);
}

/** For a fault that lasts so long: how long it lasts is what is tested, there is nothing else to wait for. */
export function lasting(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
