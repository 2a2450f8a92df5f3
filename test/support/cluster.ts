import { eventually } from './processes.js';
import { freePorts, RunningRedis } from './redis.js';

const MASTERS = 3;
const SLOTS = 16_384;
const NODE_TIMEOUT_MS = 1_500;
const READY_WITHIN_MS = 30_000;

type Node = RunningRedis & { readonly busPort: number };

/** Three masters with a replica each. Ends with the test file. */
export class RunningCluster {
  private constructor(
    readonly masters: readonly Node[],
    readonly replicas: readonly Node[],
  ) {}

  static async start(): Promise<RunningCluster> {
    const ports = await freePorts(4 * MASTERS);
    const nodes = await Promise.all(
      Array.from({ length: 2 * MASTERS }, (_, n) => startNode(ports[2 * n]!, ports[2 * n + 1]!)),
    );
    const cluster = new RunningCluster(nodes.slice(0, MASTERS), nodes.slice(MASTERS));
    await cluster.#join();
    return cluster;
  }

  /** What a broker needs to find it. */
  get settings(): Record<string, string> {
    return { REDIS_CLUSTER_NODES: this.nodes.map(({ port }) => `127.0.0.1:${port}`).join() };
  }

  get nodes(): readonly Node[] {
    return [...this.masters, ...this.replicas];
  }

  /** The master that holds the one key that matches, and that key. */
  findKey(pattern: string): Promise<{ master: RunningRedis; key: string }> {
    return eventually(async () => {
      for (const master of this.masters) {
        const [key] = await master.client.keys(pattern);
        if (key !== undefined) return { master, key };
      }
      return undefined;
    });
  }

  /** Moves a key's slot with all that is in it from one master to another, as a resharding does. */
  async moveSlot(key: string, from: RunningRedis, to: RunningRedis): Promise<void> {
    const slot = await from.client.cluster('KEYSLOT', key);
    const [source, target] = await Promise.all([idOf(from), idOf(to)]);
    await to.client.cluster('SETSLOT', slot, 'IMPORTING', source);
    await from.client.cluster('SETSLOT', slot, 'MIGRATING', target);
    for (;;) {
      const keys = await from.client.cluster('GETKEYSINSLOT', slot, 100);
      if (keys.length === 0) break;
      await from.client.migrate('127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
    }
    for (const { client } of [to, from, ...this.masters]) await client.cluster('SETSLOT', slot, 'NODE', target);
  }

  /** Waits until all nodes but these agree that every slot is served. */
  untilServed(without: readonly RunningRedis[] = []): Promise<true> {
    return eventually(async () => {
      const left = this.nodes.filter((node) => !without.includes(node));
      const infos = await Promise.all(left.map(({ client }) => client.cluster('INFO')));
      return infos.every((info) => info.includes('cluster_state:ok')) || undefined;
    }, READY_WITHIN_MS);
  }

  async #join(): Promise<void> {
    const [first, ...rest] = this.nodes;
    const size = Math.ceil(SLOTS / MASTERS);
    await Promise.all(
      this.masters.map(({ client }, n) =>
        client.call('CLUSTER', 'ADDSLOTSRANGE', n * size, Math.min(SLOTS, (n + 1) * size) - 1),
      ),
    );
    for (const node of rest) {
      await first!.client.call('CLUSTER', 'MEET', '127.0.0.1', node.port, node.busPort);
    }
    await eventually(async () => {
      const known = await Promise.all(this.nodes.map(({ client }) => client.cluster('INFO')));
      return known.every((info) => info.includes(`cluster_known_nodes:${2 * MASTERS}`)) || undefined;
    }, READY_WITHIN_MS);
    await Promise.all(
      this.replicas.map(async ({ client }, n) => client.cluster('REPLICATE', await idOf(this.masters[n]!))),
    );
    await eventually(async () => {
      const infos = await Promise.all(this.replicas.map(({ client }) => client.info('replication')));
      return infos.every((info) => info.includes('master_link_status:up')) || undefined;
    }, READY_WITHIN_MS);
    await this.untilServed();
  }
}

async function startNode(port: number, busPort: number): Promise<Node> {
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-node-timeout': NODE_TIMEOUT_MS,
    'cluster-port': busPort,
    'repl-diskless-sync-delay': 0,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const redis = await RunningRedis.start(args, port);
  return Object.assign(redis, { busPort });
}

async function idOf({ client }: RunningRedis): Promise<string> {
  return String(await client.call('CLUSTER', 'MYID'));
}
