import type { TimelineEvent, TimelineKind } from '#cluster';

import { clockMinute, dayOf, latency } from './format.js';

/** More of the past is in the logs. */
const MOST_EVENTS = 300;

export const KIND_GROUPS = ['refreshed', 'failed', 'invalidated', 'changed', 'replicas'] as const;
/** What the filter tells apart. */
export type KindGroup = (typeof KIND_GROUPS)[number];

export function groupOf(kind: TimelineKind): KindGroup {
  switch (kind) {
    case 'refreshed':
    case 'failed':
    case 'invalidated':
      return kind;
    case 'rotated':
    case 'client_changed':
      return 'changed';
    case 'replica_came':
    case 'replica_went':
      return 'replicas';
    default:
      return kind satisfies never;
  }
}

/** Both together, the newest first, each once. */
export function merged(
  known: readonly TimelineEvent[],
  more: readonly TimelineEvent[],
  most = MOST_EVENTS,
): readonly TimelineEvent[] {
  const byId = new Map([...known, ...more].map((event) => [event.id, event]));
  // By instant, in UTC and of one width: as text. The order in which equals came is kept.
  return [...byId.values()].toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0)).slice(0, most);
}

export interface MinuteGroup {
  readonly key: number;
  /** `03:12`, with its day if that is not today. */
  readonly label: string;
  readonly events: readonly TimelineEvent[];
}

export function byMinute(events: readonly TimelineEvent[], nowMs: number): readonly MinuteGroup[] {
  const groups = new Map<number, TimelineEvent[]>();
  for (const event of events) {
    const minute = Math.floor(Date.parse(event.at) / 60_000);
    const group = groups.get(minute);
    if (group) group.push(event);
    else groups.set(minute, [event]);
  }
  const today = dayOf(nowMs);
  return [...groups].map(([key, inMinute]) => {
    const atMs = key * 60_000;
    const isToday = dayOf(atMs) === today;
    return { key, label: isToday ? clockMinute(atMs) : `${dayOf(atMs)} ${clockMinute(atMs)}`, events: inMinute };
  });
}

export interface Sentence {
  /** What it is about: a client and merchant, or a replica. */
  readonly subject: string;
  readonly verb: string;
  /** How, by whom, and what follows; may be empty. */
  readonly more: string;
}

/** @param nameOf how a replica is called here */
export function sentenceOf(event: TimelineEvent, nameOf: (replica: string) => string = (name) => name): Sentence {
  const { kind, caller, detail } = event;
  // Floods are told as one event, of nobody in particular.
  const subject = [event.client ?? 'Several clients', event.merchant_vat].filter(Boolean).join(' · ');
  const where = nameOf(event.replica);
  const by = caller ? `by ${caller}` : where;
  switch (kind) {
    case 'refreshed':
      return { subject, verb: 'refreshed', more: joined(...howRefreshed(event), detail, where) };
    case 'failed':
      return { subject, verb: 'failed', more: joined(detail ?? event.code, where) };
    case 'invalidated':
      return { subject, verb: 'invalidated', more: joined(detail, by) };
    case 'rotated':
      return { subject, verb: 'secret changed', more: joined(detail, by) };
    case 'client_changed':
      return { subject, verb: 'changed', more: joined(detail, by) };
    case 'replica_came':
      return { subject: where, verb: 'came', more: detail ?? '' };
    case 'replica_went':
      return { subject: where, verb: 'went', more: detail ?? '' };
    default:
      return kind satisfies never;
  }
}

function howRefreshed({ cause, took_ms, life_seconds }: TimelineEvent): readonly (string | undefined)[] {
  return [
    cause && (cause === 'ahead' ? 'ahead of need' : 'on demand'),
    took_ms === undefined ? undefined : latency(took_ms),
    life_seconds === undefined ? undefined : `${Math.round(life_seconds / 60)} min life`,
  ];
}

function joined(...parts: readonly (string | undefined)[]): string {
  return parts.filter(Boolean).join(' · ');
}
