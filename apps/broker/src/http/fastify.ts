import { randomUUID } from 'node:crypto';
import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyHttpOptions } from 'fastify';

import type { BrokerConfig } from '../config/broker-config.js';
import { invalidRequest } from './problem.js';
import type { ProblemFilter } from './problem.filter.js';
import type { Routes } from './routes.js';

/** How often connections are looked at that send too slowly, in ms. */
const LOOK_FOR_SLOW_MS = 1_000;
/** What a caller may give as the id to find its request in the log by. */
const CORRELATION_ID = /^[\w.:-]{1,128}$/;

/** Fastify as the broker wants it: JSON and forms alone, and a problem document for whatever else is sent. */
export function createFastify({ limits }: BrokerConfig, filter: ProblemFilter, routes: Routes): FastifyAdapter {
  const options: FastifyHttpOptions<Server> = {
    // An import has limits of its own.
    bodyLimit: limits.bodyBytes,
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: limits.requestTimeoutMs,
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: LOOK_FOR_SLOW_MS,
    },
    // A request that arrives on an open connection while the server closes is answered, and the connection closed.
    return503OnClosing: false,
    genReqId: (request) => {
      const given = request.headers['x-correlation-id'];
      return typeof given === 'string' && CORRELATION_ID.test(given) ? given : randomUUID();
    },
    // Fastify's own words repeat the path.
    frameworkErrors: (_, request, reply) =>
      filter.send(invalidRequest([{ field: 'path', detail: 'must be well-formed and not too long' }]), request, reply),
    clientErrorHandler: answerBrokenHttp,
  };
  const adapter = new FastifyAdapter(options);
  const fastify = adapter.getInstance();
  fastify.removeContentTypeParser('text/plain');
  fastify.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) =>
    done(null, new URLSearchParams(String(body))),
  );
  fastify.addHook('onRoute', (route) => routes.remember(route));
  fastify.server.maxConnections = limits.connections;
  return adapter;
}

/** What is not even HTTP never becomes a request: it is answered on the bare socket. */
function answerBrokenHttp(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const body = JSON.stringify({
    type: 'urn:token-broker:problem:invalid_request',
    title: 'The request is not valid',
    status,
    detail: STATUS_CODES[status],
    code: 'invalid_request',
    correlation_id: randomUUID(),
  });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
