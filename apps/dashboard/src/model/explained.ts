import { ApiError, call } from './api.js';
import type { Row } from './rows.js';

/** Of `GET v1/tokens/explain`, what the page looks at. */
export interface Explained {
  readonly next_answer: {
    readonly from: 'memory' | 'store' | 'refresh' | 'upstream' | 'refusal';
    readonly why: string;
  };
  readonly away?: string;
  readonly shared: {
    readonly lease?: { readonly replica: string; readonly seconds_left: number };
    readonly last_error?: { readonly in_a_row: number; readonly retry_after: number };
  } | null;
  readonly upstream: { readonly breaker: { readonly state: string; readonly retry_after: number } } | null;
}

const FROM: Readonly<Record<Explained['next_answer']['from'], string>> = {
  memory: 'From memory',
  store: 'From the shared store',
  refresh: 'From a refresh under way',
  upstream: 'From MobilePay',
  refusal: 'Refused for now',
};

export interface Explanation {
  readonly title: string;
  /** The facts behind it, each a sentence. */
  readonly lines: readonly string[];
}

/** @returns where the next answer would come from; or why that is not known */
export async function explained({ client, merchant }: Row): Promise<Explanation> {
  const query = new URLSearchParams({ client, ...(merchant && { merchant_vat: merchant }) });
  try {
    const { body } = await call<Explained>(`v1/tokens/explain?${query}`);
    return { title: FROM[body.next_answer.from], lines: linesOf(body) };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { title: 'Not known', lines: [error.detail] };
  }
}

export function linesOf({ next_answer, away, shared, upstream }: Explained): readonly string[] {
  const { lease, last_error } = shared ?? {};
  return [
    next_answer.why,
    away !== undefined && `The shared store is away: ${away}`,
    lease && `${lease.replica} holds the lease for ${lease.seconds_left} s more`,
    last_error &&
      `${last_error.in_a_row === 1 ? 'One refresh' : `${last_error.in_a_row} refreshes in a row`} failed; the next try is in ${last_error.retry_after} s`,
    upstream &&
      upstream.breaker.state !== 'closed' &&
      `The breaker is ${upstream.breaker.state.replace('_', ' ')}, for ${upstream.breaker.retry_after} s more`,
  ]
    .filter((line) => typeof line === 'string')
    .map((line) => `${line.charAt(0).toUpperCase()}${line.slice(1)}.`);
}
