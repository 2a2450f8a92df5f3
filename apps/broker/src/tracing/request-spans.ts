import type { ServerResponse } from 'node:http';

import { type Context, propagation, ROOT_CONTEXT, type Span, SpanKind, trace } from '@opentelemetry/api';
import type { FastifyInstance } from 'fastify';

import { markFailed, tracer } from './tracer.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Only there if an SDK is registered. */
    trace?: { readonly span: Span; readonly context: Context };
  }
}

/** The methods that the semantic conventions know; another one is not repeated. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE']);

/** A span for each request, under that of its caller. Costs every request something: only if an SDK is registered. */
export function addRequestSpans(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const parent = propagation.extract(ROOT_CONTEXT, request.headers);
    const route = request.routeOptions.url;
    const method = METHODS.has(request.method) ? request.method : '_OTHER';
    const attributes = {
      'http.request.method': method,
      'url.scheme': request.protocol,
      'token_broker.correlation_id': request.id,
      ...(route !== undefined && { 'http.route': route }),
      // A path with names in it is not told: somebody may have put a secret there by mistake.
      ...(route === request.url.split('?', 1)[0] && { 'url.path': route }),
    };
    const name = route === undefined ? method : `${method} ${route}`;
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    request.trace = { span, context: trace.setSpan(parent, span) };
    // Fastify's onResponse does not come if the client has hung up.
    reply.raw.once('close', () => end(span, reply.raw));
    done();
  });
}

function end(span: Span, { headersSent, statusCode, writableFinished }: ServerResponse): void {
  if (headersSent) span.setAttribute('http.response.status_code', statusCode);
  if (headersSent && statusCode >= 500) markFailed(span, String(statusCode));
  else if (!writableFinished) markFailed(span, 'client_disconnected');
  span.end();
}
