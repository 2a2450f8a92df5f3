import { setTimeout as sleep } from 'node:timers/promises';

import type { FastifyInstance, FastifyReply } from 'fastify';

import type { Fault } from './faults.js';
import type { Sandbox } from './sandbox.js';

export const BASE = '/integrator-authentication';
const TOKEN_PATH = `${BASE}/connect/token`;
const JWKS_PATH = `${BASE}/.well-known/openid-configuration/jwks`;

/** MobilePay's documented format of a VAT number. */
export const VAT = /^(DK|FI)\d{8}$/;

/** The Integrator Authentication API: token endpoint (RFC 6749 §4.4), discovery and JWKS. */
export function serveTokens(app: FastifyInstance, sandbox: Sandbox): void {
  app.get(`${BASE}/.well-known/openid-configuration`, (request) => {
    const origin = `http://${request.host}`;
    return {
      issuer: `${origin}${BASE}`,
      token_endpoint: `${origin}${TOKEN_PATH}`,
      jwks_uri: `${origin}${JWKS_PATH}`,
      grant_types_supported: ['client_credentials'],
      scopes_supported: ['integrator_scope'],
      token_endpoint_auth_methods_supported: ['client_secret_basic'],
    };
  });
  app.get(JWKS_PATH, () => sandbox.signing.jwks);

  app.post(TOKEN_PATH, async (request, reply) => {
    const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
    const merchantVat = form.get('merchant_vat') ?? undefined;
    const caller = sandbox.clients.authenticate(request.headers.authorization);
    const clientId = caller?.clientId ?? 'anonymous';
    sandbox.stats.called(clientId, merchantVat);
    const fault = sandbox.faults.strike(clientId, merchantVat);
    await sleep(sandbox.settings.latencyMs + (fault?.latency_ms ?? 0));
    void reply.header('Cache-Control', 'no-store');

    if (fault && (await answersWith(fault, reply))) return reply;
    if (!caller?.known) {
      return reply.code(401).header('WWW-Authenticate', 'Basic').send({ error: 'invalid_client' });
    }
    const refusal = refusalOf(form);
    if (refusal) return reply.code(400).send(refusal);

    const { expiresInSeconds } = sandbox.settings;
    const claim = fault?.kind === 'wrong_vat' ? (fault.claim ?? 'DK99999999') : merchantVat;
    const token = await sandbox.signing.sign(
      {
        iss: `http://${request.host}${BASE}`,
        client_id: clientId,
        integrator_id: `integrator-of-${clientId}`,
        ...(claim !== undefined && { merchant_vat: claim }),
        scope: ['integrator_scope'],
      },
      expiresInSeconds,
    );
    sandbox.stats.issued(clientId, merchantVat);
    const body = {
      access_token: fault?.kind === 'opaque' ? `opaque-${crypto.randomUUID()}` : token,
      expires_in: fault?.kind === 'expires_in' ? fault.value : expiresInSeconds,
      token_type: 'Bearer',
      scope: 'integrator_scope',
    };
    return fault?.kind === 'truncated' ? cutShort(reply, JSON.stringify(body)) : reply.send(body);
  });
}

function refusalOf(form: URLSearchParams): { error: string; error_description?: string } | undefined {
  const repeated = ['grant_type', 'merchant_vat', 'scope'].find((name) => form.getAll(name).length > 1);
  if (repeated) return { error: 'invalid_request', error_description: `${repeated} is repeated` };
  const grantType = form.get('grant_type');
  if (grantType === null) return { error: 'invalid_request', error_description: 'grant_type is missing' };
  if (grantType !== 'client_credentials') return { error: 'unsupported_grant_type' };
  const scope = form.get('scope');
  if (scope !== null && scope !== 'integrator_scope') return { error: 'invalid_scope' };
  const vat = form.get('merchant_vat');
  if (vat !== null && !VAT.test(vat)) return { error: 'invalid_request', error_description: 'merchant_vat is invalid' };
  return undefined;
}

/** Does what the fault says, if that is an answer of its own.
 *  @returns false if the call goes on as usual, or nearly so */
async function answersWith(fault: Fault, reply: FastifyReply): Promise<boolean> {
  if (fault.retry_after !== undefined) void reply.header('Retry-After', String(fault.retry_after));
  switch (fault.kind) {
    case 'hang':
      reply.hijack();
      return true;
    case 'reset':
      reply.hijack();
      reply.raw.socket?.resetAndDestroy();
      return true;
    case 'status':
      await reply.code(fault.status ?? 503).send(fault.body ?? '');
      return true;
    case 'html':
      await reply
        .code(fault.status ?? 200)
        .type('text/html')
        .send('<html><body><h1>Sandbox gateway</h1></body></html>');
      return true;
    case 'error':
      await reply.code(fault.status ?? 400).send({ error: fault.error ?? 'invalid_client' });
      return true;
    case 'wrong_json':
      await reply.type('application/json').send(fault.body ?? '{"token":"not under this name"}');
      return true;
    case 'latency':
    case 'truncated':
    case 'wrong_vat':
    case 'expires_in':
    case 'opaque':
      return false;
    default:
      return fault.kind satisfies never;
  }
}

/** Promises the whole body, sends half of it, and hangs up. */
function cutShort(reply: FastifyReply, body: string): FastifyReply {
  reply.hijack();
  reply.raw.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  reply.raw.write(body.slice(0, body.length / 2), () => reply.raw.destroy());
  return reply;
}
