import type { TimelineEvent } from './status.js';

/** How many events a board keeps at least. */
export const MOST_EVENTS = 1_000;
/** How many minutes it tells of. */
export const MINUTES_TOLD = 60;
/** A replica that runs for longer than this when a board hears of it first was there before, in ms. */
const NEW_FOR_MS = 15_000;

/** What a replica tells of itself. Durations, never instants: replicas share no clock. Every list in it is bounded. */
export interface ReplicaReport {
  readonly name: string;
  /** Tells two runs of one name apart: one word without a slash. */
  readonly run: string;
  readonly version: string;
  /** When it reports itself again, on average; see pace.ts. Absent in versions that report each second. */
  readonly everyMs?: number | undefined;
  readonly uptimeMs: number;
  readonly isDraining: boolean;
  /** Whether it reaches the shared token store; null if there is none. */
  readonly redisUp: boolean | null;
  /** Of its commands to that store in the last minute, the average; null if there were none. */
  readonly storeMs: number | null;
  /** Keys that it holds in memory. */
  readonly keys: number;
  readonly leading: readonly { readonly client: string; readonly merchantVat?: string | undefined }[];
  readonly upstreams: readonly UpstreamReach[];
  /** Clients whose credentials MobilePay refused the last time, and clients that it accepted of late though another
   *  replica says so. */
  readonly rejected: readonly ClientVerdict[];
  readonly accepted: readonly ClientVerdict[];
  /** Environments in which a token in use is about to die. */
  readonly nearDeath: readonly { readonly environment: string; readonly forMs: number }[];
  /** Lines of the audit trail that it lost, and since when it loses none. */
  readonly audit: { readonly lost: number; readonly agoMs: number };
  /** Records of the vault that no master key of its opens, and those that a newer version wrote. */
  readonly locked: number;
  readonly newer: number;
}

/** How a replica finds one of MobilePay's environments. */
export interface UpstreamReach {
  readonly environment: string;
  /** Since it last answered; absent if it never did. */
  readonly answeredAgoMs?: number | undefined;
  /** Its last failure to answer. */
  readonly failure?: { readonly agoMs: number; readonly code: string; readonly detail: string } | undefined;
  /** Failures since its last answer, and for how long. */
  readonly failuresInARow: number;
  readonly failingForMs: number;
}

export interface ClientVerdict {
  readonly client: string;
  readonly environment: string;
  readonly agoMs: number;
}

/** What happened in one minute. */
export interface MinuteCounts {
  readonly served: number;
  readonly calls: number;
  readonly errors: number;
  /** Of its calls, in whole ms. */
  readonly latencySumMs: number;
  readonly latencyMaxMs: number;
}

export const NO_COUNTS: MinuteCounts = { served: 0, calls: 0, errors: 0, latencySumMs: 0, latencyMaxMs: 0 };

export function sumOf(one: MinuteCounts, other: MinuteCounts): MinuteCounts {
  return {
    served: one.served + other.served,
    calls: one.calls + other.calls,
    errors: one.errors + other.errors,
    latencySumMs: one.latencySumMs + other.latencySumMs,
    latencyMaxMs: Math.max(one.latencyMaxMs, other.latencyMaxMs),
  };
}

/** An event without its time, as it is written on a board. Its id is its writer's, so that it stays the same wherever
 *  it is read. */
export type BoardEvent = Omit<TimelineEvent, 'at'>;

/** What a replica has to say, all at once. */
export interface Told {
  readonly report: ReplicaReport;
  /** What was counted since it last told, by how many minutes ago. */
  readonly counts: readonly (MinuteCounts & { readonly minutesAgo: number })[];
  /** What happened since, and how long ago. */
  readonly events: readonly PastEvent[];
}

export interface PastEvent {
  readonly event: BoardEvent;
  readonly agoMs: number;
}

/** A replica as it last reported itself. */
export interface Sighting {
  readonly report: ReplicaReport;
  readonly agoMs: number;
}

export interface Sightings {
  readonly replicas: readonly Sighting[];
  /** False if the board is away: then this is what was seen last, and only the replica's own report is new. */
  readonly isCurrent: boolean;
}

export interface EventPage {
  /** The oldest first. */
  readonly events: readonly PastEvent[];
  /** Behind the last of them; undefined if there never was one. */
  readonly cursor: string | undefined;
}

export interface PastMinute extends MinuteCounts {
  /** Since it began. */
  readonly agoMs: number;
}

/**
 * Where replicas report themselves, and read what the others do. Who does not report for the time to live of its last
 * report is dropped, and a `replica_went` is written: once, whoever notices; and a `replica_came` for each that was not
 * there.
 */
export interface ClusterBoard {
  /** Everything that one replica has to say; answered with all that are alive, itself included.
   *  @throws BoardAwayError */
  tell(told: Told): Promise<Sightings>;
  /** Takes a replica off, which says goodbye.
   *  @throws BoardAwayError */
  leave(name: string): Promise<void>;
  /** What happened after the cursor; the newest of all without one.
   *  @throws BoardAwayError */
  eventsAfter(cursor: string | undefined, limit: number): Promise<EventPage>;
  /** `MINUTES_TOLD` of them, the oldest first; the last one is not over yet.
   *  @throws BoardAwayError */
  minutes(): Promise<readonly PastMinute[]>;
}

/** The board cannot be read or written now. */
export class BoardAwayError extends Error {
  constructor(reason: string) {
    super(`the board of all replicas is away (${reason})`);
    this.name = 'BoardAwayError';
  }
}

/** What is said of replicas that come and go. */
export const GOODBYE = 'it said goodbye';
export const NO_GOODBYE = 'it did not say goodbye';

export function detailOfArrival({ uptimeMs, version }: ReplicaReport): string {
  return uptimeMs < NEW_FOR_MS
    ? `version ${version}`
    : `it is seen again, and has been running for ${Math.floor(uptimeMs / 1_000)} s`;
}
