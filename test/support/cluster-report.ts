import type { ReplicaReport } from '#cluster';

/** What a replica reports that has nothing to say. */
export function aReport(name: string, more: Partial<ReplicaReport> = {}): ReplicaReport {
  return {
    name,
    run: 'run',
    version: '1.0.0',
    uptimeMs: 1_000,
    isDraining: false,
    redisUp: true,
    storeMs: null,
    keys: 0,
    leading: [],
    upstreams: [],
    rejected: [],
    accepted: [],
    nearDeath: [],
    audit: { lost: 0, agoMs: 0 },
    locked: 0,
    newer: 0,
    ...more,
  };
}
