import { randomUUID } from 'node:crypto';

import { Injectable } from '@nestjs/common';

import type { MinuteCounts, ReplicaReport, Sighting } from '#cluster';

import { REPLICA_NAME } from '../config/replica-name.js';
import { VERSION } from '../config/version.js';
import { OwnClients } from './own-clients.js';
import { OwnKeys } from './own-keys.js';
import { OwnProcess } from './own-process.js';
import { OwnUpstreams } from './own-upstreams.js';

/** What this replica says of itself. No token, no secret; and little, however many keys it holds. */
@Injectable()
export class OwnReport {
  readonly #run = randomUUID();

  constructor(
    private readonly process: OwnProcess,
    private readonly keys: OwnKeys,
    private readonly clients: OwnClients,
    private readonly upstreams: OwnUpstreams,
  ) {}

  /** @param seen what the others said last
   *  @param storeMs how fast the board answers */
  of(seen: readonly Sighting[], storeMs: number | null): ReplicaReport {
    const { keys, clients } = this;
    const { state } = this.process;
    return {
      name: REPLICA_NAME,
      run: this.#run,
      version: VERSION,
      ...state,
      storeMs: state.redisUp === null ? null : storeMs,
      keys: keys.count,
      leading: keys.leading,
      nearDeath: keys.nearDeath,
      upstreams: this.upstreams.reaches,
      rejected: clients.rejected,
      accepted: clients.acceptedOf(seen.flatMap(({ report }) => report.rejected.map(({ client }) => client))),
    };
  }

  /** What was counted since this was last asked. */
  takeCounts(): MinuteCounts {
    return { ...this.upstreams.takeCounts(), served: this.process.takeServed() };
  }

  /** Calls `listener` when something has changed that others should hear of at once. */
  onNews(listener: () => void): void {
    this.upstreams.onFlip = listener;
    this.keys.onLead = listener;
  }
}
