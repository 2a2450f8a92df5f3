import {
  type ClientVerdict,
  isHeard,
  type Need,
  type NeedCode,
  type ReplicaReport,
  type Sighting,
  type StoreStatus,
} from '#cluster';

import { ago, type UpstreamFacts } from './upstream-status.js';

const MOST_NEEDS = 50;
/** Fewer failures in a row may be a hiccup. */
const FAILURES_THAT_MATTER = 3;
/** Times in ms. A token that is being renewed right now is no trouble; nor are two versions while the new one is rolled
 *  out, a second secret that has just been added, or a loss of long ago. */
const NEAR_DEATH_FOR_MS = 3_000;
const ROLLOUT_MS = 600_000;
const NEW_SECRET_MS = 3_600_000;
const LOSS_COUNTS_MS = 3_600_000;

/** Everything that needs are told from. */
export interface NeedFacts {
  /** Wall clock, ms since 1970. */
  readonly nowMs: number;
  readonly replicas: readonly Sighting[];
  readonly upstreams: readonly UpstreamFacts[];
  readonly stores: readonly StoreStatus[];
  readonly oldSecrets: readonly OldSecretInUse[];
}

/** A client with two secrets of which the older one still gets its tokens. */
export interface OldSecretInUse {
  readonly client: string;
  readonly environment: string;
  /** How long the newer one has been there, in ms. */
  readonly newerForMs: number;
  /** MobilePay does not accept the newer one. */
  readonly isNewerRefused: boolean;
}

/** Where docs/alerts.md says more of each. */
export const RUNBOOK: Readonly<Record<NeedCode, string>> = {
  upstream_failing: 'upstreamfailing',
  breaker_open: 'breakeropen',
  credentials_rejected: 'credentialsrejected',
  tokens_near_death: 'tokenneardeath',
  redis_away: 'redisdegraded',
  vault_redis_away: 'vaultredisdegraded',
  vault_locked: 'vaultrecordslocked',
  vault_newer: 'mixed-versions',
  audit_lost: 'auditlineslost',
  old_secret_in_use: 'oldsecretinuse',
  mixed_versions: 'mixed-versions',
};

/** What somebody should do something about, the worst first. */
export function needsOf(facts: NeedFacts): Need[] {
  const all = [
    ...nearDeath(facts),
    ...rejected(facts),
    ...facts.upstreams.flatMap((each) => upstreamNeeds(each, facts.nowMs)),
    ...locked(facts),
    ...newer(facts),
    ...facts.stores.flatMap((each) => storeNeeds(each, facts.nowMs)),
    ...auditLost(facts),
    ...facts.oldSecrets.flatMap((each) => oldSecret(each, facts.nowMs)),
    ...mixedVersions(facts),
  ];
  const critical = all.filter(({ severity }) => severity === 'critical');
  const others = all.filter(({ severity }) => severity !== 'critical');
  return [...critical, ...others].slice(0, MOST_NEEDS);
}

function upstreamNeeds({ status, failuresInARow, failingForMs }: UpstreamFacts, nowMs: number): Need[] {
  const { environment, state, breaker, last_failure } = status;
  const needs: Need[] = [];
  if (state === 'failing' && last_failure) {
    needs.push(
      need('upstream_failing', failuresInARow >= FAILURES_THAT_MATTER ? 'critical' : 'warning', {
        detail:
          `MobilePay (${environment}) gives no usable answer: ${last_failure.detail}. Tokens in memory serve until they ` +
          'run out; find out whether MobilePay is down or this network’s way to it.',
        since: ago(failingForMs, nowMs),
        environment,
      }),
    );
  }
  if (breaker.state !== 'closed') {
    needs.push(
      need('breaker_open', 'critical', {
        detail:
          `Calls to MobilePay (${environment}) are paused after ${breaker.failures} failures in a row, and one at a time ` +
          'tries again by itself. Find out why MobilePay does not answer; the pause ends with the first answer.',
        environment,
      }),
    );
  }
  return needs;
}

function rejected({ replicas, nowMs }: NeedFacts): Need[] {
  const refused = latest(replicas, ({ rejected: verdicts }) => verdicts);
  const accepted = latest(replicas, ({ accepted: verdicts }) => verdicts);
  return [...refused.values()]
    .filter(({ client, agoMs }) => agoMs < (accepted.get(client)?.agoMs ?? Infinity))
    .toSorted((a, b) => (a.client < b.client ? -1 : 1))
    .map(({ client, environment, agoMs }) =>
      need('credentials_rejected', 'critical', {
        detail:
          `MobilePay (${environment}) refuses the credentials of ${client}, which gets no new token. Import the newest ` +
          'that MobilePay has sent, or test what is there, and ask MobilePay if both are refused.',
        since: ago(agoMs, nowMs),
        client,
        environment,
      }),
    );
}

/** The newest verdict on each client. */
function latest(
  replicas: readonly Sighting[],
  of: (report: ReplicaReport) => readonly ClientVerdict[],
): ReadonlyMap<string, ClientVerdict> {
  const found = new Map<string, ClientVerdict>();
  for (const { report, agoMs } of replicas) {
    for (const verdict of of(report)) {
      const aged = { ...verdict, agoMs: verdict.agoMs + agoMs };
      if (aged.agoMs < (found.get(verdict.client)?.agoMs ?? Infinity)) found.set(verdict.client, aged);
    }
  }
  return found;
}

function nearDeath({ replicas, nowMs }: NeedFacts): Need[] {
  // Of one that has been silent since, as all others are while Redis is away, nobody knows whether it still is so.
  return replicas.filter(isHeard).flatMap(({ report, agoMs }) =>
    report.nearDeath
      .filter(({ forMs }) => forMs >= NEAR_DEATH_FOR_MS)
      .map(({ environment, forMs }) =>
        need('tokens_near_death', 'critical', {
          detail:
            `A token in use for MobilePay (${environment}) on ${report.name} is about to run out, and its renewal has not ` +
            'come through. Look for the failing key in the table and what its last error says.',
          since: ago(forMs + agoMs, nowMs),
          environment,
          replica: report.name,
        }),
      ),
  );
}

function storeNeeds({ holds, up, reason = 'no answer', away_seconds }: StoreStatus, nowMs: number): Need[] {
  if (up) return [];
  const since = away_seconds === undefined ? {} : { since: ago(away_seconds * 1_000, nowMs) };
  if (holds === 'vault') {
    const detail =
      `Redis, which holds the vault, is away (${reason}): clients are served as they were last read, and none can be ` +
      'changed. Bring Redis back; nothing else is to be done.';
    return [need('vault_redis_away', 'warning', { detail, ...since })];
  }
  const detail =
    `Redis, which holds the tokens, is away (${reason}): each replica works on alone, so that MobilePay may be called ` +
    'more than once for a token, and this page shows one replica’s view. Bring Redis back; nothing else is to be done.';
  return [need('redis_away', 'warning', { detail, ...since })];
}

function locked({ replicas }: NeedFacts): Need[] {
  const blind = blindTo(replicas, (report) => report.locked);
  if (!blind) return [];
  const detail =
    `${count(blind.most, 'record')} of the vault cannot be opened by ${blind.who}: the master key that sealed them is missing. Put ` +
    'it back into VAULT_KEYS, or restore a backup; until then those clients get no token.';
  return [need('vault_locked', 'critical', { detail })];
}

function newer({ replicas }: NeedFacts): Need[] {
  const blind = blindTo(replicas, (report) => report.newer);
  if (!blind) return [];
  const detail =
    `${count(blind.most, 'record')} of the vault cannot be read by ${blind.who}: a newer version wrote them, and for older ` +
    'ones they are not there, so that those clients get no token from them. Finish the rollout; nothing of them is lost.';
  return [need('vault_newer', 'warning', { detail })];
}

/** How many records at most cannot be read, and by whom. */
function blindTo(replicas: readonly Sighting[], of: (report: ReplicaReport) => number) {
  const blind = replicas.filter((each) => isHeard(each) && of(each.report) > 0).map(({ report }) => report);
  if (blind.length === 0) return undefined;
  const who = blind.length === replicas.length ? 'any replica' : blind.map(({ name }) => name).join(', ');
  return { most: Math.max(...blind.map(of)), who };
}

function auditLost({ replicas, nowMs }: NeedFacts): Need[] {
  return replicas
    .filter(({ report: { audit }, agoMs }) => audit.lost > 0 && audit.agoMs + agoMs < LOSS_COUNTS_MS)
    .map(({ report: { name, audit }, agoMs }) =>
      need('audit_lost', 'warning', {
        detail:
          `${name} has lost ${count(audit.lost, 'line')} of its audit trail, which could not be written. Look whether the ` +
          'disk is full, or the file of AUDIT_LOG cannot be written.',
        since: ago(audit.agoMs + agoMs, nowMs),
        replica: name,
      }),
    );
}

function oldSecret({ client, environment, newerForMs, isNewerRefused }: OldSecretInUse, nowMs: number): Need[] {
  if (newerForMs < NEW_SECRET_MS && !isNewerRefused) return [];
  const detail = isNewerRefused
    ? `MobilePay (${environment}) refuses the newer of the two secrets of ${client}, which lives on its older one. Get ` +
      'the right one before the older one is retired.'
    : `${client} (${environment}) has two secrets and still uses the older one. Test the newer one, and retire the ` +
      'older one before MobilePay does.';
  return [need('old_secret_in_use', 'warning', { detail, since: ago(newerForMs, nowMs), client, environment })];
}

function mixedVersions({ replicas, nowMs }: NeedFacts): Need[] {
  const versions = [...new Set(replicas.map(({ report }) => report.version))].toSorted();
  const youngestMs = Math.min(...replicas.map(({ report, agoMs }) => report.uptimeMs + agoMs));
  if (versions.length < 2 || youngestMs < ROLLOUT_MS) return [];
  const detail =
    `Replicas of different versions run side by side (${versions.join(', ')}), and none was started of late: a rollout ` +
    'has stopped half way. Finish it, or take it back.';
  return [need('mixed_versions', 'warning', { detail, since: ago(youngestMs, nowMs) })];
}

function need(code: NeedCode, severity: Need['severity'], more: Omit<Need, 'code' | 'severity' | 'runbook'>): Need {
  return { code, severity, runbook: `docs/alerts.md#${RUNBOOK[code]}`, ...more };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
