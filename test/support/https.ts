import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { text as textOf } from 'node:stream/consumers';

import type { Answer } from './http.js';

/** As `call`, over TLS. fetch takes no authority and no certificate.
 *  @param options with `ca`, and `cert` and `key` for a certificate of the client's own */
export async function callTls(method: string, url: string, options: RequestOptions, body?: unknown): Promise<Answer> {
  const json = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    ...options.headers,
    ...(json !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) }),
  };
  const sent = request(url, { agent: false, ...options, method, headers });
  sent.end(json);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const text = await textOf(response);
  return {
    status: response.statusCode ?? 0,
    headers: new Headers(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
    text,
    json: text.startsWith('{') ? (JSON.parse(text) as Answer['json']) : {},
  };
}
