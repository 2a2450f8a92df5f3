import { type Action, testResult, type TestAnswer } from './actions.js';
import { call } from './api.js';
import type { Row } from './rows.js';

/** Each secret is tried at MobilePay, which may take as long as it lets us wait. */
const TEST_TIMEOUT_MS = 45_000;

/** Of `GET v1/clients/{name}`, what the page looks at. */
export interface Client {
  readonly enabled: boolean;
}

export interface Outcome {
  readonly isGood: boolean;
  readonly text: string;
}

export function readClient(name: string) {
  return call<Client>(clientPath(name));
}

/**
 * Does what somebody has agreed to.
 * @param etag of the client as they saw it: what was changed meanwhile is not overwritten
 * @throws ApiError
 */
export async function act(action: Action, row: Row, etag?: string): Promise<Outcome> {
  const { client, merchant, tokenId } = row;
  const ofMerchant = merchant ? { merchant_vat: merchant } : {};
  switch (action) {
    case 'invalidate': {
      const body = { client, ...ofMerchant, token_id: tokenId };
      const answer = await call<{ invalidated: boolean }>('v1/tokens/invalidate', { method: 'POST', body });
      return answer.body.invalidated
        ? { isGood: true, text: 'The token is dropped everywhere. The next request fetches a new one.' }
        : { isGood: true, text: 'Nothing was left to drop: this token had been replaced already.' };
    }
    case 'test': {
      const path = `${clientPath(client)}/test`;
      const answer = await call<TestAnswer>(path, { method: 'POST', body: ofMerchant, timeoutMs: TEST_TIMEOUT_MS });
      return { isGood: answer.body.accepted, text: testResult(answer.body) };
    }
    case 'disable':
    case 'enable': {
      const enabled = action === 'enable';
      const ifMatch = etag === undefined ? {} : { ifMatch: etag };
      await call(clientPath(client), { method: 'PATCH', body: { enabled }, ...ifMatch });
      return { isGood: true, text: enabled ? `${client} is enabled.` : `${client} is disabled.` };
    }
    default:
      return action satisfies never;
  }
}

function clientPath(name: string): string {
  return `v1/clients/${encodeURIComponent(name)}`;
}
