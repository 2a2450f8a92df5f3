import type { BoardEvent, ClientVerdict, ReplicaReport, UpstreamReach } from './board.js';
import { TIMELINE_KINDS } from './status.js';

/** More than 30,000 years, in ms: an instant that is further away is none. */
const LONGEST_MS = 1e15;

/**
 * What stands on a board was written by a replica of ours, perhaps of another version. What is missing, or is not of the
 * kind that this version knows, is taken for nothing to say.
 * @returns undefined if it does not even say who it is
 */
export function readReport(told: unknown): ReplicaReport | undefined {
  const report = fieldsOf(told);
  const [name, run, version] = [textOf(report['name']), textOf(report['run']), textOf(report['version'])];
  if (name === undefined || run === undefined || version === undefined) return undefined;
  const audit = fieldsOf(report['audit']);
  return {
    name,
    run,
    version,
    everyMs: durationOf(report['everyMs']),
    uptimeMs: durationOf(report['uptimeMs']) ?? 0,
    isDraining: report['isDraining'] === true,
    redisUp: typeof report['redisUp'] === 'boolean' ? report['redisUp'] : null,
    storeMs: durationOf(report['storeMs']) ?? null,
    keys: countOf(report['keys']) ?? 0,
    leading: listOf(report['leading'], ({ client, merchantVat }) => {
      const led = textOf(client);
      return led === undefined ? undefined : { client: led, merchantVat: textOf(merchantVat) };
    }),
    upstreams: listOf(report['upstreams'], reachOf),
    rejected: listOf(report['rejected'], verdictOf),
    accepted: listOf(report['accepted'], verdictOf),
    nearDeath: listOf(report['nearDeath'], (fields) => {
      const [environment, forMs] = [textOf(fields['environment']), durationOf(fields['forMs'])];
      return environment === undefined || forMs === undefined ? undefined : { environment, forMs };
    }),
    audit: { lost: countOf(audit['lost']) ?? 0, agoMs: durationOf(audit['agoMs']) ?? 0 },
    locked: countOf(report['locked']) ?? 0,
    newer: countOf(report['newer']) ?? 0,
  };
}

/** The same for something that happened. One of a kind that this version does not know is passed over.
 *  @param agoMs when it happened, as it was told */
export function readEvent(told: unknown, agoMs: number): BoardEvent | undefined {
  const event = fieldsOf(told);
  const [id, replica] = [textOf(event['id']), textOf(event['replica'])];
  const kind = TIMELINE_KINDS.find((each) => each === event['kind']);
  if (id === undefined || replica === undefined || kind === undefined || durationOf(agoMs) === undefined) {
    return undefined;
  }
  const cause = (['demand', 'ahead'] as const).find((each) => each === event['cause']);
  return {
    id,
    kind,
    replica,
    ...picked(event, TEXTS, textOf),
    ...picked(event, NUMBERS, countOf),
    ...(cause && { cause }),
  };
}

const TEXTS = ['client', 'merchant_vat', 'environment', 'token_id', 'code', 'detail', 'caller'] as const;
const NUMBERS = ['took_ms', 'generation', 'life_seconds', 'retry_after'] as const;

type Fields = Readonly<Record<string, unknown>>;

function reachOf(fields: Fields): UpstreamReach | undefined {
  const environment = textOf(fields['environment']);
  if (environment === undefined) return undefined;
  const failure = fieldsOf(fields['failure']);
  const [agoMs, code, detail] = [durationOf(failure['agoMs']), textOf(failure['code']), textOf(failure['detail'])];
  const isFailure = agoMs !== undefined && code !== undefined && detail !== undefined;
  return {
    environment,
    answeredAgoMs: durationOf(fields['answeredAgoMs']),
    failure: isFailure ? { agoMs, code, detail } : undefined,
    failuresInARow: countOf(fields['failuresInARow']) ?? 0,
    failingForMs: durationOf(fields['failingForMs']) ?? 0,
  };
}

function verdictOf(fields: Fields): ClientVerdict | undefined {
  const [client, environment] = [textOf(fields['client']), textOf(fields['environment'])];
  const agoMs = durationOf(fields['agoMs']);
  if (client === undefined || environment === undefined || agoMs === undefined) return undefined;
  return { client, environment, agoMs };
}

function picked<Name extends string, T>(fields: Fields, names: readonly Name[], of: (value: unknown) => T | undefined) {
  const found: { [name in Name]?: T } = {};
  for (const name of names) {
    const value = of(fields[name]);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

function listOf<T>(value: unknown, of: (fields: Fields) => T | undefined): T[] {
  return Array.isArray(value) ? value.flatMap((each: unknown) => of(fieldsOf(each)) ?? []) : [];
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

function durationOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= LONGEST_MS ? value : undefined;
}
