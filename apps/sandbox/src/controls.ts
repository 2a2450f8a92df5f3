import type { FastifyInstance } from 'fastify';

import { type Fault, faultSchema } from './faults.js';
import type { Sandbox } from './sandbox.js';
import { Signing } from './signing.js';

interface Registration {
  readonly client_id: string;
  readonly client_secret: string;
}

const registrationSchema = {
  type: 'object',
  required: ['client_id', 'client_secret'],
  additionalProperties: false,
  properties: {
    client_id: { type: 'string', minLength: 1, maxLength: 512 },
    client_secret: { type: 'string', minLength: 1, maxLength: 512 },
  },
} as const;

/** What a test turns to make the sandbox misbehave, and reads to see what it was asked. */
export function serveControls(app: FastifyInstance, sandbox: Sandbox): void {
  const { clients, faults, stats } = sandbox;

  app.get('/_sandbox/clients', () => ({ items: clients.ids.map((id) => ({ client_id: id })) }));
  app.post<{ Body: Registration }>('/_sandbox/clients', { schema: { body: registrationSchema } }, (request, reply) => {
    clients.register(request.body.client_id, request.body.client_secret);
    return reply.code(201).send({ client_id: request.body.client_id });
  });

  app.get('/_sandbox/faults', () => ({ items: faults.all }));
  app.post<{ Body: Fault }>('/_sandbox/faults', { schema: { body: faultSchema } }, (request, reply) => {
    faults.add(request.body);
    return reply.code(201).send(request.body);
  });
  app.delete('/_sandbox/faults', (_, reply) => {
    faults.clear();
    return reply.code(204).send();
  });

  app.get('/_sandbox/stats', () => stats.report);
  app.delete('/_sandbox/stats', (_, reply) => {
    stats.clear();
    return reply.code(204).send();
  });

  // All tokens signed so far stop being accepted: what a store service sees as a 401.
  app.delete('/_sandbox/tokens', async (_, reply) => {
    sandbox.signing = await Signing.create();
    return reply.code(204).send();
  });
}
