import { counted, latency } from './format.js';
import type { Row } from './rows.js';

export const ACTIONS = ['invalidate', 'test', 'disable', 'enable'] as const;
export type Action = (typeof ACTIONS)[number];

/** What is asked before anything is done. */
export interface Question {
  readonly title: string;
  readonly text: string;
  readonly button: string;
  readonly isGrave: boolean;
}

export function questionOf(action: Action, { client, merchant }: Pick<Row, 'client' | 'merchant'>): Question {
  const whom = merchant || `${client}, for no merchant,`;
  switch (action) {
    case 'invalidate':
      return {
        title: 'Invalidate this token?',
        text: `The token of ${client} is dropped on every replica. The next request for ${whom} fetches a new one from MobilePay. Stores keep working.`,
        button: 'Invalidate token',
        isGrave: false,
      };
    case 'test':
      return {
        title: `Test ${client} at MobilePay?`,
        text: `Each secret of ${client} is shown to MobilePay once${merchant && `, for ${merchant}`}. No token that stores use is touched, and the one that comes back is thrown away.`,
        button: 'Run the test',
        isGrave: false,
      };
    case 'disable':
      return {
        title: `Disable ${client}?`,
        text: `Every store that uses ${client} gets no more tokens, for any merchant, until somebody enables it again. Tokens they hold already work until they run out.`,
        button: 'Disable client',
        isGrave: true,
      };
    case 'enable':
      return {
        title: `Enable ${client}?`,
        text: `Stores may have tokens of ${client} again. Each merchant’s first request fetches one from MobilePay.`,
        button: 'Enable client',
        isGrave: false,
      };
    default:
      return action satisfies never;
  }
}

/** What `POST v1/clients/{name}/test` answers. */
export interface TestAnswer {
  readonly accepted: boolean;
  readonly secrets: readonly {
    readonly fingerprint: string;
    readonly accepted: boolean;
    readonly took_ms?: number;
    readonly expires_in?: number;
    readonly code?: string;
    readonly detail?: string;
  }[];
}

export function testResult({ secrets }: TestAnswer): string {
  return secrets
    .map(({ fingerprint, accepted, took_ms, expires_in, code, detail }) => {
      const which = secrets.length > 1 ? `the secret ${fingerprint}` : 'the secret';
      const time = took_ms === undefined ? '' : ` in ${latency(took_ms)}`;
      if (!accepted) return `MobilePay refused ${which}${time}: ${detail ?? code ?? 'no reason given'}.`;
      const life =
        expires_in === undefined ? '' : ` and gave a token for ${counted(Math.round(expires_in / 60), 'minute')}`;
      return `MobilePay accepted ${which}${life}${time}.`;
    })
    .join(' ');
}
