import { Module } from '@nestjs/common';

import { type ClusterBoard, FailoverClusterBoard, MemoryClusterBoard } from '#cluster';
import { RedisClusterBoard } from '#redis';

import { AccessModule } from '../access/access.module.js';
import { DrainModule } from '../http/drain.module.js';
import { RedisModule } from '../redis/redis.module.js';
import { SharedRedis } from '../redis/shared-redis.js';
import { TokenModule } from '../token/token.module.js';
import { UpstreamModule } from '../upstream/upstream.module.js';
import { VaultModule } from '../vault/vault.module.js';
import { Breakers } from './breakers.js';
import { KeyCounter } from './key-counter.js';
import { OwnClients } from './own-clients.js';
import { OwnEvents } from './own-events.js';
import { OwnKeys } from './own-keys.js';
import { OwnProcess } from './own-process.js';
import { OwnReport } from './own-report.js';
import { OwnUpstreams } from './own-upstreams.js';
import { CLUSTER_BOARD, Reporter } from './reporter.js';
import { StatusBoard } from './status-board.js';
import { StatusController } from './status.controller.js';
import { StatusStreams } from './status-streams.js';
import { Stores } from './stores.js';

@Module({
  imports: [AccessModule, DrainModule, RedisModule, TokenModule, UpstreamModule, VaultModule],
  controllers: [StatusController],
  providers: [
    Breakers,
    KeyCounter,
    OwnClients,
    OwnEvents,
    OwnKeys,
    OwnProcess,
    OwnReport,
    OwnUpstreams,
    Reporter,
    StatusBoard,
    StatusStreams,
    Stores,
    { provide: CLUSTER_BOARD, inject: [{ token: SharedRedis, optional: true }], useFactory: boardFor },
  ],
  exports: [StatusBoard],
})
export class StatusModule {}

/** Shared by all replicas where there is Redis; else this replica is the only one. */
function boardFor(shared?: SharedRedis): ClusterBoard {
  return shared ? new FailoverClusterBoard(new RedisClusterBoard(shared.link), now) : new MemoryClusterBoard(now);
}

/** Monotonic as the process' clock, with minutes that begin when those on the wall do. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
