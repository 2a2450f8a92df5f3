import { KeyRing, type Place, Sealer } from '#vault';

import { type Answer, call, callJson } from './http.js';

/** What the dashboard's page sends with whatever changes something. */
export const FROM_THE_PAGE = { 'x-token-broker': 'dashboard' };

/** The cookie that an answer sets, and how. */
export interface SetSession {
  readonly value: string;
  readonly attributes: readonly string[];
}

export function sessionOf({ headers }: Answer): SetSession | undefined {
  const [first = '', ...attributes] = headers.get('set-cookie')?.split('; ') ?? [];
  const value = /^token_broker_session=(.*)$/.exec(first)?.[1];
  return value === undefined ? undefined : { value, attributes };
}

export function cookie(value: string): Record<string, string> {
  return { cookie: `token_broker_session=${value}` };
}

/** @param base the broker's address, or a proxy's */
export async function signIn(base: string, key: string): Promise<string> {
  const answer = await callJson('POST', `${base}/dashboard/session`, { key });
  if (answer.status !== 204) throw new Error(`sign-in answered ${answer.status}: ${answer.text}`);
  return sessionOf(answer)?.value ?? '';
}

export function signedIn(base: string, value: string): Promise<Answer> {
  return call('GET', `${base}/dashboard/session`, { headers: cookie(value) });
}

/** A session as a broker with these master keys would have sealed it. */
export function sealedSession(vaultKeys: string, content: unknown, place: Partial<Place> = {}): Promise<string> {
  const at: Place = { purpose: 'session', record: 'session', version: 1, ...place };
  return new Sealer(KeyRing.parse(vaultKeys)).seal(typeof content === 'string' ? content : JSON.stringify(content), at);
}
