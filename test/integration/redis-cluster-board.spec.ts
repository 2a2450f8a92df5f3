import { NO_COUNTS } from '#cluster';
import { RedisClusterBoard } from '#redis';

import { RunningCluster } from '../support/cluster.js';
import { aReport } from '../support/cluster-report.js';
import { aLink } from '../support/redis-link.js';

it('the board works in a cluster, where all of it lies in one slot', async () => {
  const cluster = await RunningCluster.start();
  const link = await aLink(cluster.masters[0]!.port, {
    at: { kind: 'cluster', nodes: cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port })) },
  });
  const board = new RedisClusterBoard(link);
  const counts = [{ ...NO_COUNTS, served: 2, minutesAgo: 0 }];
  const event = { id: 'one', kind: 'invalidated', replica: 'a' } as const;
  await board.tell({ report: aReport('a'), counts, events: [{ event, agoMs: 0 }] });
  const { replicas } = await board.tell({ report: aReport('b'), counts, events: [] });
  expect(replicas).toHaveLength(2);
  await board.leave('a');
  const kinds = (await board.eventsAfter(undefined, 10)).events.map((each) => each.event.kind);
  expect(kinds.toSorted()).toEqual(['invalidated', 'replica_came', 'replica_came', 'replica_went']);
  expect((await board.minutes()).reduce((sum, { served }) => sum + served, 0)).toBe(4);
  const slots = await Promise.all(link.keys.cluster.map((key) => cluster.masters[0]!.client.cluster('KEYSLOT', key)));
  expect(new Set(slots).size).toBe(1);
}, 60_000);
