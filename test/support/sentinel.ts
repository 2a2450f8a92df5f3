import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { aFolder } from './folder.js';
import { eventually } from './processes.js';
import { freePort, RunningRedis } from './redis.js';

const REPLICAS = 2;
const SENTINELS = 3;
const QUORUM = 2;
/** After so long without an answer a sentinel holds the master for down, in ms. */
const DOWN_AFTER_MS = 1_000;
const READY_WITHIN_MS = 20_000;

/** One master, two replicas and three sentinels. Ends with the test file. */
export class SentinelGroup {
  readonly name = 'main';

  private constructor(
    readonly master: RunningRedis,
    readonly replicas: readonly RunningRedis[],
    readonly sentinels: readonly RunningRedis[],
  ) {}

  static async start(): Promise<SentinelGroup> {
    const master = await RunningRedis.start();
    const of = ['--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0'];
    const replicas = await Promise.all(Array.from({ length: REPLICAS }, () => RunningRedis.start(of)));
    // A sentinel asks a master for its replicas at its start, and then every 10 s.
    await eventually(async () => (await count(master, 'state=online')) === REPLICAS || undefined, READY_WITHIN_MS);
    const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => startSentinel(master.port)));
    const group = new SentinelGroup(master, replicas, sentinels);
    await eventually(() => group.#isReady(), READY_WITHIN_MS);
    return group;
  }

  /** What a broker needs to find the master. */
  get settings(): Record<string, string> {
    return {
      REDIS_SENTINELS: this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(),
      REDIS_SENTINEL_MASTER: this.name,
    };
  }

  /** As an administrator would: the master is well, another takes its place. */
  async failOver(): Promise<void> {
    await this.sentinels[0]!.client.call('SENTINEL', 'FAILOVER', this.name);
  }

  /** Waits until the sentinels, but for one that may hang, name another master than the first. */
  untilFailedOver(): Promise<number> {
    return eventually(async () => {
      const ports = await Promise.all(this.sentinels.slice(1).map((each) => this.#masterOf(each)));
      return ports.every((port) => port === ports[0] && port !== this.master.port) ? ports[0] : undefined;
    }, READY_WITHIN_MS);
  }

  async #isReady(): Promise<true | undefined> {
    for (const { client } of this.sentinels) {
      const flat = await client.call('SENTINEL', 'MASTER', this.name);
      const found = fieldsOf(flat);
      if (found['num-slaves'] !== String(REPLICAS)) return undefined;
      if (found['num-other-sentinels'] !== String(SENTINELS - 1)) return undefined;
    }
    return true;
  }

  async #masterOf({ client }: RunningRedis): Promise<number> {
    const address = (await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name)) as [string, string];
    return Number(address[1]);
  }
}

async function startSentinel(master: number): Promise<RunningRedis> {
  const cwd = aFolder();
  const port = await freePort();
  const lines = [
    'bind 127.0.0.1',
    `dir ${cwd}`,
    `sentinel monitor main 127.0.0.1 ${master} ${QUORUM}`,
    `sentinel down-after-milliseconds main ${DOWN_AFTER_MS}`,
    'sentinel failover-timeout main 10000',
  ];
  writeFileSync(join(cwd, 'sentinel.conf'), `${lines.join('\n')}\n`);
  return RunningRedis.startWith({ args: ['sentinel.conf', '--sentinel'], cwd, port, ready: 'Sentinel ID is' });
}

async function count({ client }: RunningRedis, what: string): Promise<number> {
  return (await client.info('replication')).split(what).length - 1;
}

/** RESP 3 answers with a map, RESP 2 with names and values in turn. */
function fieldsOf(reply: unknown): Record<string, unknown> {
  if (!Array.isArray(reply)) return { ...(reply as Record<string, unknown>) };
  return Object.fromEntries(
    reply.flatMap((name, index) => (index % 2 === 0 ? [[String(name), reply[index + 1]]] : [])),
  );
}
