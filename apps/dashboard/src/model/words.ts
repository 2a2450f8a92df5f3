import type { StatusNow } from '#cluster';

import { count, counted, share } from './format.js';
import type { RowState } from './rows.js';

/** The sentence that somebody reads first. */
export function headline({ health, needs }: StatusNow): string {
  const critical = needs.filter(({ severity }) => severity === 'critical').length;
  switch (health) {
    case 'ok':
      return 'All is well';
    case 'degraded':
      return needs.length === 1 ? 'Running, with one warning' : `Running, with ${needs.length} warnings`;
    case 'critical':
      return critical === 1 ? 'One problem needs you now' : `${critical} problems need you now`;
    default:
      return health satisfies never;
  }
}

export function summary({ replicas, keys, last_hour }: StatusNow): string {
  const ready = replicas.filter(({ state }) => state === 'ready').length;
  const hour =
    last_hour.tokens_served === 0
      ? 'no token was asked for in the last hour'
      : `${share(last_hour.calls_saved, last_hour.tokens_served)} of answers needed no call to MobilePay`;
  const some =
    ready === replicas.length ? counted(ready, 'replica') : `${ready} of ${counted(replicas.length, 'replica')}`;
  const failing = keys.failing === 0 ? '' : ` (${count(keys.failing)} failing)`;
  return `${some} ready, ${counted(keys.total, 'token')} looked after${failing}, ${hour}`;
}

export function pageTitle(needs: number): string {
  return needs === 0 ? 'Token broker' : `(${needs}) Token broker`;
}

export const STATE_WORDS: Readonly<Record<RowState, string>> = {
  failing: 'The last refresh failed',
  dead: 'No token that may be given out: the next request fetches one',
  expiring: 'Near its end: it is renewed on the next request, or ahead of it',
  refreshing: 'A replica is fetching a token right now',
  fresh: 'A token is held and given out',
};

/** `docs/alerts.md#tokenneardeath` is too long for a line that is read at night. */
export function runbookName(runbook: string): string {
  return runbook.split('/').at(-1) ?? runbook;
}

/** What a sign-in that did not work says: what to do, not what the protocol calls it. */
export function signInRefusal(status: number, detail: string, retryAfterSeconds?: number): string {
  switch (status) {
    case 0:
      return 'The broker cannot be reached. Check your network and the broker’s address, then try again.';
    case 400:
    case 401:
      return 'This key is not known. It may be mistyped, revoked or expired.';
    case 403:
      return 'This key is known, but may not look in here: its caller needs the role ops.';
    case 429:
      return retryAfterSeconds === undefined
        ? 'Too many tries. Wait a moment, then try again.'
        : `Too many tries. Try again in ${counted(retryAfterSeconds, 'second')}.`;
    default:
      return `The broker could not sign you in: ${detail}`;
  }
}

export function loadedText(loaded: number, total: number): string {
  return total > loaded ? `Reading tokens: ${count(loaded)} of ${count(total)}` : `Reading tokens: ${count(loaded)}`;
}
