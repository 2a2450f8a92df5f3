import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';

import { Clients } from './clients.js';
import { serveControls } from './controls.js';
import { Faults } from './faults.js';
import { servePointOfSale } from './point-of-sale.js';
import type { SandboxSettings } from './settings.js';
import { Signing } from './signing.js';
import { Stats } from './stats.js';
import { serveTokens } from './token-endpoint.js';

/** What the sandbox knows: all in memory, gone when it stops. */
export interface Sandbox {
  readonly settings: SandboxSettings;
  readonly clients: Clients;
  readonly faults: Faults;
  readonly stats: Stats;
  signing: Signing;
}

/** A stand-in for MobilePay: Integrator Authentication, two calls of PoS V10, and faults on demand. Not listening yet. */
export async function createSandbox(settings: SandboxSettings): Promise<FastifyInstance> {
  const sandbox: Sandbox = {
    settings,
    clients: new Clients(),
    faults: new Faults(),
    stats: new Stats(),
    signing: await Signing.create(),
  };
  // A hanging call must not hold up the stop. Unknown members are refused, not dropped.
  const app = Fastify({
    forceCloseConnections: true,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allowUnionTypes: true } },
  });
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_: unknown, body: string) => Promise.resolve(new URLSearchParams(body)),
  );
  app.setErrorHandler<FastifyError>((error, _, reply) => {
    const allowed = error.validation?.[0]?.params['allowedValues'];
    const list = Array.isArray(allowed) ? `: ${allowed.join(', ')}` : '';
    return reply
      .code(error.statusCode ?? 500)
      .send({ error: 'invalid_request', error_description: `${error.message}${list}` });
  });
  serveTokens(app, sandbox);
  servePointOfSale(app, sandbox);
  serveControls(app, sandbox);
  return app;
}
