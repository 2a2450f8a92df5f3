import 'reflect-metadata';

import { trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

import { KeyRing } from '#vault';

import { readConfig } from '../config/read-config.js';
import { createFastify } from '../http/fastify.js';
import { Front } from '../http/front.js';
import { ProblemFilter } from '../http/problem.filter.js';
import { Routes } from '../http/routes.js';
import { isTraced } from './tracer.js';

const config = readConfig({ VAULT_KEYS: KeyRing.generate('first'), ADMIN_KEY_ENABLED: 'false' });

/** One request, answered with what it carries of a trace. */
async function answered() {
  const routes = new Routes();
  const fastify = createFastify(config, new ProblemFilter(routes), routes, new Front({}, config.limits)).getInstance();
  fastify.get('/traced', (request) => ({ carries: Object.hasOwn(request, 'trace'), isIn: 'trace' in request }));
  const response = await fetch(`${await fastify.listen({ port: 0, host: '127.0.0.1' })}/traced`);
  const body: unknown = await response.json();
  await fastify.close();
  return body;
}

afterAll(() => trace.disable());

it('without an SDK a request has no hook, no span and no member for one', async () => {
  expect(isTraced()).toBe(false);
  expect(await answered()).toEqual({ carries: false, isIn: false });
});

it('with an SDK each has its span, and asking whether there is one makes none', async () => {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  expect(isTraced()).toBe(true);
  expect(exporter.getFinishedSpans()).toEqual([]);
  expect(await answered()).toEqual({ carries: true, isIn: true });
  expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(['GET /traced']);
});
