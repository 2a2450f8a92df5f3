import {
  isHeard,
  type KeyCounts,
  type LastHour,
  type PastMinute,
  type ReplicaStatus,
  type Sighting,
  type StatusNow,
  type StoreStatus,
  type VaultStatus,
} from '#cluster';

import { type NeedFacts, needsOf } from './needs.js';
import { ago } from './upstream-status.js';

export interface StatusFacts extends NeedFacts {
  readonly answeredBy: string;
  readonly vault: VaultStatus;
  readonly keys: KeyCounts;
  readonly minutes: readonly PastMinute[];
}

/** The document, from what is known. */
export function statusDocument(facts: StatusFacts): StatusNow {
  const { nowMs, replicas, upstreams, vault, keys } = facts;
  const needs = needsOf(facts);
  const isCritical = needs.some(({ severity }) => severity === 'critical');
  const stores: readonly StoreStatus[] = facts.stores;
  return {
    at: new Date(nowMs).toISOString(),
    answered_by: facts.answeredBy,
    health: isCritical ? 'critical' : needs.length > 0 ? 'degraded' : 'ok',
    needs,
    replicas: replicas.map((each) => shownReplica(each, nowMs)).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    stores,
    upstreams: upstreams.map(({ status }) => status),
    vault,
    keys,
    last_hour: lastHour(facts.minutes, nowMs),
  };
}

/** What moves by itself: of two documents that differ in nothing else, the second one is no news. */
const MOVING: ReadonlySet<string> = new Set([
  'at',
  'since',
  'started_at',
  'uptime_seconds',
  'seen_seconds_ago',
  'away_seconds',
  'age_seconds',
  'latency_ms',
  'retry_after',
  'last_success_at',
  'counted_at',
]);

/** The same for two documents if nothing of note has changed. */
export function gistOf(status: StatusNow): string {
  return JSON.stringify(status, (name, value: unknown) => (MOVING.has(name) ? undefined : value));
}

function shownReplica({ report, agoMs }: Sighting, nowMs: number): ReplicaStatus {
  const uptimeMs = report.uptimeMs + agoMs;
  return {
    name: report.name,
    version: report.version,
    started_at: ago(uptimeMs, nowMs),
    uptime_seconds: Math.floor(uptimeMs / 1_000),
    seen_seconds_ago: Math.floor(agoMs / 1_000),
    late: !isHeard({ report, agoMs }),
    state: report.isDraining ? 'draining' : 'ready',
    redis_up: report.redisUp,
    keys: report.keys,
    leading: report.leading.map(({ client, merchantVat }) => ({
      client,
      ...(merchantVat !== undefined && { merchant_vat: merchantVat }),
    })),
  };
}

function lastHour(minutes: readonly PastMinute[], nowMs: number): LastHour {
  const sum = (of: (minute: PastMinute) => number) => minutes.reduce((total, minute) => total + of(minute), 0);
  const [served, calls] = [sum((each) => each.served), sum((each) => each.calls)];
  return {
    tokens_served: served,
    upstream_calls: calls,
    upstream_errors: sum(({ errors }) => errors),
    calls_saved: Math.max(0, served - calls),
    minutes: minutes.map((each) => ({
      at: ago(each.agoMs, nowMs),
      tokens_served: each.served,
      upstream_calls: each.calls,
      upstream_errors: each.errors,
      latency_ms_average: each.calls > 0 ? Math.round(each.latencySumMs / each.calls) : null,
      latency_ms_max: each.calls > 0 ? each.latencyMaxMs : null,
    })),
  };
}
