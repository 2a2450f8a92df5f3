/** What `GET /v1/status` answers, as JSON: the whole cluster, told by one replica. Instants are ISO 8601, in UTC. */
export interface Status extends StatusNow {
  /** The newest first, 200 at most. */
  readonly events: readonly TimelineEvent[];
}

/** The same without its past: what the stream sends as `status` when it has changed. */
export interface StatusNow {
  readonly at: string;
  /** The replica that tells. */
  readonly answered_by: string;
  /** The worst of `needs`. */
  readonly health: 'ok' | 'degraded' | 'critical';
  /** What somebody should do something about, the worst first; 50 at most. */
  readonly needs: readonly Need[];
  readonly replicas: readonly ReplicaStatus[];
  readonly stores: readonly StoreStatus[];
  readonly upstreams: readonly UpstreamStatus[];
  readonly vault: VaultStatus;
  readonly keys: KeyCounts;
  readonly last_hour: LastHour;
}

/** A problem, in words for whoever was woken by it. */
export interface Need {
  readonly code: NeedCode;
  readonly severity: 'critical' | 'warning';
  /** One sentence: what is wrong, and what to do. */
  readonly detail: string;
  /** The section of docs/alerts.md that says more, as its anchor. */
  readonly runbook: string;
  readonly since?: string;
  readonly client?: string;
  readonly merchant_vat?: string;
  readonly environment?: string;
  readonly replica?: string;
}

export type NeedCode =
  | 'upstream_failing'
  | 'breaker_open'
  | 'credentials_rejected'
  | 'tokens_near_death'
  | 'redis_away'
  | 'vault_redis_away'
  | 'vault_locked'
  | 'vault_newer'
  | 'audit_lost'
  | 'old_secret_in_use'
  | 'mixed_versions';

export interface ReplicaStatus {
  readonly name: string;
  readonly version: string;
  readonly started_at: string;
  readonly uptime_seconds: number;
  /** Since it last reported itself. */
  readonly seen_seconds_ago: number;
  /** Whether that is longer than replicas take, so that it may be gone: 5 s, and more where there are many. */
  readonly late: boolean;
  readonly state: 'ready' | 'draining';
  /** Whether it reaches the shared token store; null if there is none. */
  readonly redis_up: boolean | null;
  /** Keys that it holds in memory. */
  readonly keys: number;
  /** Refreshes that it leads right now, 20 at most. */
  readonly leading: readonly { readonly client: string; readonly merchant_vat?: string }[];
}

export interface StoreStatus {
  readonly holds: 'tokens' | 'vault';
  readonly kind: 'memory' | 'redis' | 'sentinel' | 'cluster' | 'file' | 'directory';
  readonly up: boolean;
  readonly reason?: string;
  readonly away_seconds?: number;
  /** Of the last minute's commands, the average; null if nobody asked. */
  readonly latency_ms: number | null;
}

export interface UpstreamStatus {
  readonly environment: string;
  readonly state: 'ok' | 'failing' | 'idle';
  readonly breaker: {
    readonly state: 'closed' | 'open' | 'half_open';
    readonly failures: number;
    readonly retry_after: number;
  };
  readonly last_success_at?: string;
  readonly last_failure?: { readonly at: string; readonly code: string; readonly detail: string };
}

export interface VaultStatus {
  readonly clients: number;
  readonly callers: number;
  /** Records that no master key at hand opens. */
  readonly locked: number;
  /** Records that a newer version wrote, which this replica does not read. */
  readonly newer: number;
  /** Since this replica last agreed with the store. */
  readonly age_seconds: number;
}

/** Keys by state, as the shared store knows them, or memory where there is none. */
export interface KeyCounts {
  readonly total: number;
  readonly fresh: number;
  readonly expiring: number;
  readonly dead: number;
  readonly refreshing: number;
  readonly failing: number;
  /** Counting many takes a while, so it is not done each second. */
  readonly counted_at: string;
}

export interface LastHour {
  readonly tokens_served: number;
  readonly upstream_calls: number;
  readonly upstream_errors: number;
  /** Answers that needed no call. */
  readonly calls_saved: number;
  /** 60 of them, the oldest first; the last one is not over yet. */
  readonly minutes: readonly Minute[];
}

export interface Minute {
  /** When it began. */
  readonly at: string;
  readonly tokens_served: number;
  readonly upstream_calls: number;
  readonly upstream_errors: number;
  /** Of its calls; null if there were none. */
  readonly latency_ms_average: number | null;
  readonly latency_ms_max: number | null;
}

/** One thing that happened, which the stream sends as `timeline`. Its id is that of the server-sent event. */
export interface TimelineEvent {
  readonly id: string;
  readonly at: string;
  readonly kind: TimelineKind;
  readonly replica: string;
  readonly client?: string;
  readonly merchant_vat?: string;
  readonly environment?: string;
  /** Of a refresh: whether somebody waited for it. */
  readonly cause?: 'demand' | 'ahead';
  readonly took_ms?: number;
  readonly token_id?: string;
  readonly generation?: number;
  readonly life_seconds?: number;
  /** Of a failure. */
  readonly code?: string;
  readonly retry_after?: number;
  /** In words, if there is more to say. */
  readonly detail?: string;
  /** Who did it, if somebody did. */
  readonly caller?: string;
}

/** `rotated`: a secret was added, replaced or retired. `replica_went` says in `detail` whether it said goodbye. */
export const TIMELINE_KINDS = [
  'refreshed',
  'failed',
  'invalidated',
  'rotated',
  'client_changed',
  'replica_came',
  'replica_went',
] as const;
export type TimelineKind = (typeof TIMELINE_KINDS)[number];
