/**
 * What the hot path is measured against: Fastify alone, doing the same key check, body check and answer for one caller
 * and one token. No Nest, no vault, no cache, no grants, no error documents.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

import { fastify } from 'fastify';

const { BENCH_KEY = '', BENCH_TOKEN = '' } = process.env;
const key = { id: BENCH_KEY.slice(4, 16), hash: sha256(BENCH_KEY) };
const expiresAtMs = performance.now() + 3_600_000;
const tokenId = randomBytes(12).toString('base64url');

const app = fastify({ bodyLimit: 65_536 });

app.post('/v1/tokens', (request, reply) => {
  const [, given = ''] = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(request.headers.authorization ?? '') ?? [];
  if (given.slice(4, 16) !== key.id || !timingSafeEqual(sha256(given), key.hash)) return reply.code(401).send();
  const { client, merchant_vat: vat, min_validity: seconds, ...others } = request.body ?? {};
  if (
    !/^[a-z0-9][a-z0-9-]{0,62}$/.test(client) ||
    !/^(DK|FI)\d{8}$/.test(vat) ||
    !(seconds === undefined || (Number.isInteger(seconds) && seconds >= 0 && seconds <= 600)) ||
    Object.keys(others).length > 0
  ) {
    return reply.code(400).send();
  }
  const leftMs = expiresAtMs - performance.now();
  return reply.header('Cache-Control', 'no-store').send({
    access_token: BENCH_TOKEN,
    token_type: 'Bearer',
    expires_in: Math.floor(leftMs / 1_000),
    expires_at: new Date(Date.now() + leftMs).toISOString(),
    scope: 'integrator_scope',
    client,
    merchant_vat: vat,
    token_id: tokenId,
  });
});

process.stdout.write(`bare-fastify listening on ${await app.listen({ port: 0, host: '127.0.0.1' })}\n`);

function sha256(text) {
  return hash('sha256', text, 'buffer');
}
