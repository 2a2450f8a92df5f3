/**
 * No broker: a replica of a store service that keeps its own token for each merchant with openid-client, and asks for a
 * new one when it needs it. As careful as one process can be: callers of one merchant share one call. It answers over
 * HTTP only so that it is measured as the broker is.
 */
import { hash } from 'node:crypto';
import { createServer } from 'node:http';

import { allowInsecureRequests, clientCredentialsGrant, ClientSecretBasic, Configuration } from 'openid-client';

const { CLIENT_ID = '', CLIENT_SECRET = '', TOKEN_ENDPOINT = '' } = process.env;
/** A token with less life than this is not used any more, in ms: as the broker's safety margin. */
const MARGIN_MS = 60_000;

const metadata = { issuer: new URL('..', TOKEN_ENDPOINT).href, token_endpoint: TOKEN_ENDPOINT };
const config = new Configuration(metadata, CLIENT_ID, {}, ClientSecretBasic(CLIENT_SECRET));
// The stand-in for MobilePay on this machine has no TLS.
allowInsecureRequests(config);
const tokens = new Map();
const calls = new Map();

const server = createServer((request, response) => void answer(request, response));

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`own-token listening on http://127.0.0.1:${server.address().port}\n`);
});

async function answer(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const { merchant_vat: vat } = JSON.parse(Buffer.concat(chunks).toString());
    const { value, expiresAtMs } = await tokenOf(vat);
    const text = JSON.stringify({
      access_token: value,
      expires_in: Math.floor((expiresAtMs - performance.now()) / 1_000),
      token_id: hash('sha256', value, 'base64url').slice(0, 16),
    });
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    response.end(text);
  } catch (error) {
    process.stderr.write(`own-token: ${error.code ?? error.name}\n`);
    response.writeHead(502, { 'Content-Length': 0 }).end();
  }
}

async function tokenOf(vat) {
  const held = tokens.get(vat);
  if (held && held.expiresAtMs - performance.now() >= MARGIN_MS) return held;
  let call = calls.get(vat);
  if (!call) {
    call = fetched(vat).finally(() => calls.delete(vat));
    calls.set(vat, call);
  }
  return call;
}

async function fetched(vat) {
  const { access_token: value, expires_in: seconds = 0 } = await clientCredentialsGrant(config, { merchant_vat: vat });
  const token = { value, expiresAtMs: performance.now() + seconds * 1_000 };
  tokens.set(vat, token);
  return token;
}
