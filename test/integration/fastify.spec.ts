import 'reflect-metadata';

import { connect } from 'node:net';

import { KeyRing } from '#vault';

import { eventually } from '../support/processes.js';
import { readConfig } from '../../apps/broker/src/config/read-config.js';
import { createFastify } from '../../apps/broker/src/http/fastify.js';
import { Front } from '../../apps/broker/src/http/front.js';
import { ProblemFilter } from '../../apps/broker/src/http/problem.filter.js';
import { Routes } from '../../apps/broker/src/http/routes.js';

it('a connection whose client does not read its answers is closed', async () => {
  const env = {
    VAULT_KEYS: KeyRing.generate('first'),
    ADMIN_KEY_ENABLED: 'false',
    HTTP_REQUEST_TIMEOUT_MS: '1000',
    HTTP_HEADERS_TIMEOUT_MS: '1000',
  };
  const config = readConfig(env);
  const quick = { ...config, policy: { ...config.policy, waitBudgetMs: 0, longestHoldMs: 0 } };
  const routes = new Routes();
  const fastify = createFastify(quick, new ProblemFilter(routes), routes, new Front({}, config.limits)).getInstance();
  fastify.get('/large', () => 'x'.repeat(1_000_000));
  const { hostname, port } = new URL(await fastify.listen({ port: 0, host: '127.0.0.1' }));
  const deaf = connect(Number(port), hostname).pause();
  deaf.on('error', () => {});
  deaf.write('GET /large HTTP/1.1\r\nHost: broker\r\n\r\n'.repeat(50));
  const count = () => new Promise<number>((resolve) => fastify.server.getConnections((_, open) => resolve(open)));
  try {
    await eventually(async () => (await count()) === 1 || undefined, 500);
    await expect(eventually(async () => (await count()) === 0 || undefined, 4_000)).resolves.toBe(true);
  } finally {
    deaf.destroy();
    await fastify.close();
  }
});
