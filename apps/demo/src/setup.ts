import { hash, randomBytes } from 'node:crypto';

import { type Answer, bearer, call, demand } from './api.js';
import { keptCallerKey, type UpstreamClient } from './files.js';
import { lockedZip } from './locked-zip.js';

/** The demo's client and caller in the broker; the merchant is MobilePay's own for self-certification. */
export const DEMO = { client: 'demo', caller: 'demo-shop', merchantVat: 'DK90000028' };

/** Puts the client into the broker's vault, as an operator would: the locked archive and its password.
 *  @returns whether that was needed */
export async function ensureClient(broker: string, admin: string, client: UpstreamClient): Promise<boolean> {
  const fingerprint = hash('sha256', client.client_secret, 'hex').slice(0, 16);
  const { items } = await demand('GET', `${broker}/v1/clients`, { headers: bearer(admin) });
  const known = JSON.stringify(items);
  if (known.includes(`"name":"${DEMO.client}"`) && known.includes(fingerprint)) return false;

  const password = randomBytes(9).toString('base64url');
  const form = new FormData();
  form.set('archive', new Blob([await lockedZip(client, password)]), 'mobilepay-credentials.zip');
  form.set('password', password);
  form.set('name', DEMO.client);
  form.set('environment', 'sandbox');
  await demand('POST', `${broker}/v1/clients/import`, { headers: bearer(admin), body: form });
  return true;
}

/** @returns a caller key that gets tokens: the one of an earlier start if it still does, else a new one */
export async function ensureCaller(broker: string, admin: string): Promise<{ key: string; isNew: boolean }> {
  const kept = await keptCallerKey();
  if (kept !== undefined && (await getToken(broker, kept)).status === 200) return { key: kept, isNew: false };
  const grants = [{ client: DEMO.client, merchants: [DEMO.merchantVat], unrestricted: false }];
  const url = `${broker}/v1/callers/${DEMO.caller}`;
  await demand('PUT', url, { headers: bearer(admin), body: { roles: ['token'], grants } });
  const { key } = await demand('POST', `${url}/keys`, { headers: bearer(admin), body: {} });
  return { key: String(key), isNew: true };
}

export function getToken(broker: string, callerKey: string): Promise<Answer> {
  const body = { client: DEMO.client, merchant_vat: DEMO.merchantVat };
  return call('POST', `${broker}/v1/tokens`, { headers: bearer(callerKey), body });
}

/** What a store service does next: a call of PoS V10 with the token. */
export async function listStores(sandbox: string, token: string): Promise<string[]> {
  const headers = {
    ...bearer(token),
    'x-mobilepay-client-system-name': 'token-broker-demo',
    'x-mobilepay-client-system-version': '1.0.0',
  };
  const { stores } = await demand('GET', `${sandbox}/pos/v10/stores`, { headers });
  return Array.isArray(stores) ? stores.map((store) => String(Object(store).storeName)) : [];
}
