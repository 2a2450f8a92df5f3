/**
 * What the hot path is measured against: Fastify alone with its schemas, one that checks the body and one that writes the
 * answer. No Nest, no vault, no cache, no audit, no error documents.
 */
import { fastify } from 'fastify';

import { answer, authenticate, mayHave } from './setup.mjs';

const text = { type: 'string' };
const schema = {
  body: {
    type: 'object',
    required: ['client', 'merchant_vat'],
    additionalProperties: false,
    properties: {
      client: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,62}$' },
      merchant_vat: { type: 'string', pattern: '^(DK|FI)\\d{8}$' },
      min_validity: { type: 'integer', minimum: 0, maximum: 600 },
    },
  },
  response: {
    200: {
      type: 'object',
      properties: {
        access_token: text,
        token_type: text,
        expires_in: { type: 'integer' },
        expires_at: text,
        scope: text,
        client: text,
        merchant_vat: text,
        token_id: text,
      },
    },
  },
};

// Unknown fields are refused, as the others do, and not taken away.
const app = fastify({ bodyLimit: 65_536, ajv: { customOptions: { removeAdditional: false, coerceTypes: false } } });
app.decorateRequest('caller', null);

app.route({
  method: 'POST',
  url: '/v1/tokens',
  schema,
  onRequest(request, reply, done) {
    request.caller = authenticate(request.headers.authorization);
    if (request.caller) done();
    else reply.code(401).send();
  },
  handler(request, reply) {
    const { client, merchant_vat: vat } = request.body;
    if (!mayHave(request.caller, client, vat)) return reply.code(403).send();
    return reply.header('Cache-Control', 'no-store').send(answer(client, vat));
  },
});

process.stdout.write(`bare-fastify listening on ${await app.listen({ port: 0, host: '127.0.0.1' })}\n`);
