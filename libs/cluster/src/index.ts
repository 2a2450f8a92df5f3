export {
  BoardAwayError,
  type BoardEvent,
  type ClientVerdict,
  type ClusterBoard,
  detailOfArrival,
  type EventPage,
  GOODBYE,
  type MinuteCounts,
  MINUTES_TOLD,
  MOST_EVENTS,
  NO_COUNTS,
  NO_GOODBYE,
  type PastEvent,
  type PastMinute,
  type ReplicaReport,
  type Sighting,
  type Sightings,
  sumOf,
  type Told,
  type UpstreamReach,
} from './board.js';
export { FailoverClusterBoard } from './failover-cluster-board.js';
export { readEvent, readReport } from './foreign.js';
export { MemoryClusterBoard } from './memory-cluster-board.js';
export { isHeard, LEAST_TIME_TO_LIVE_MS, NEWS_WAITS_MS, type Pace, paceOf, timeToLiveMs, untilNextMs } from './pace.js';
export type {
  KeyCounts,
  LastHour,
  Minute,
  Need,
  NeedCode,
  ReplicaStatus,
  Status,
  StatusNow,
  StoreStatus,
  TimelineEvent,
  TimelineKind,
  UpstreamStatus,
  VaultStatus,
} from './status.js';
