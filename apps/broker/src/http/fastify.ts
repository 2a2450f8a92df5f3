import { randomUUID } from 'node:crypto';
import {
  createServer,
  type RequestListener,
  type Server as HttpServer,
  type ServerOptions,
  STATUS_CODES,
} from 'node:http';
import { createServer as createTlsServer, Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyHttpOptions } from 'fastify';

import type { BrokerConfig } from '../config/broker-config.js';
import { contextOf } from '../config/read-tls.js';
import { correlationIdOf } from '../tracing/correlation-id.js';
import { addRequestSpans } from '../tracing/request-spans.js';
import { isTraced } from '../tracing/tracer.js';
import type { Front } from './front.js';
import { invalidRequest } from './problem.js';
import type { ProblemFilter } from './problem.filter.js';
import type { Routes } from './routes.js';
import { securityHeaders } from './security-headers.js';
import { limitServer } from './server-limits.js';
import { followTlsFiles } from './tls-reload.js';

/** How often connections are looked at that send too slowly, in ms. */
const LOOK_FOR_SLOW_MS = 1_000;
/** How long the sender of what is not HTTP may take to read the answer and hang up, in ms. */
const LINGER_MS = 1_000;

/** Fastify as the broker wants it: JSON and forms alone, and a problem document for whatever else is sent. */
export function createFastify(
  config: BrokerConfig,
  filter: ProblemFilter,
  routes: Routes,
  front: Front,
): FastifyAdapter {
  const { limits, tls } = config;
  const headers = securityHeaders(tls !== undefined);
  const options: FastifyHttpOptions<HttpServer> = {
    // An import has limits of its own.
    bodyLimit: limits.bodyBytes,
    // A request that arrives on an open connection while the server closes is answered, and the connection closed.
    return503OnClosing: false,
    genReqId: ({ headers: sent }) => correlationIdOf(sent),
    // Fastify's own words repeat the path.
    frameworkErrors: (_, request, reply) => {
      const problem = invalidRequest([{ field: 'path', detail: 'must be well-formed and not too long' }]);
      filter.send(problem, request, reply.headers(headers).header('x-correlation-id', request.id));
    },
    // No route has a schema. What compiles them, Ajv above all, is 100 files that the start would run in vain.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    clientErrorHandler: (error, socket) => answerBrokenHttp(error, socket, limits.headerBytes),
  };
  const http: ServerOptions = {
    maxHeaderSize: limits.headerBytes,
    connectionsCheckingInterval: LOOK_FOR_SLOW_MS,
  };
  const https = tls && {
    ...http,
    ...contextOf(tls.files),
    handshakeTimeout: limits.headersTimeoutMs,
    // Asked for and not demanded: probes have none. Whether one is to be believed is judged with each request.
    requestCert: tls.clientCaFile !== undefined,
    rejectUnauthorized: false,
  };
  const serverFactory = (fastify: RequestListener) => {
    const listener = front.before(fastify);
    const server = https ? createTlsServer(https, listener) : createServer(http, listener);
    limitServer(server, config);
    return server;
  };
  const adapter = new FastifyAdapter(
    https ? { ...options, https, serverFactory } : { ...options, http, serverFactory },
  );
  const fastify = adapter.getInstance();
  fastify.removeContentTypeParser('text/plain');
  fastify.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) =>
    done(null, new URLSearchParams(String(body))),
  );
  fastify.addHook('onRoute', (route) => routes.remember(route));
  // First, so that its spans have all of the time.
  if (isTraced()) addRequestSpans(fastify);
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(headers).header('x-correlation-id', request.id);
    done();
  });
  if (tls && fastify.server instanceof HttpsServer) followTlsFiles(fastify.server, tls);
  return adapter;
}

function noSchemas(): never {
  throw new Error('no route has a schema');
}

/** On which what is not HTTP was answered, and which are about to be closed. */
const answered = new WeakSet<Socket>();

/** What is not even HTTP never becomes a request: it is answered on the bare socket. */
function answerBrokenHttp(error: Error & { code?: string }, socket: Socket, headerBytes: number): void {
  // What else comes is not read.
  if (answered.has(socket)) return;
  // Before its handshake is done, a TLS socket cannot be written to, and would stay open for ever.
  const isShakingHands = socket instanceof TLSSocket && socket.alpnProtocol === null;
  if (error.code === 'ECONNRESET' || isShakingHands || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const id = randomUUID();
  const body = JSON.stringify({
    type: 'urn:token-broker:problem:invalid_request',
    title: 'The request is not valid',
    status,
    detail: detailOf(error.code, headerBytes),
    code: 'invalid_request',
    correlation_id: id,
  });
  answered.add(socket);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nX-Correlation-Id: ${id}\r\nConnection: close\r\n\r\n${body}`,
  );
  // It need not hang up by itself, and a connection that is cut at once may take the answer with it.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function detailOf(code: string | undefined, headerBytes: number): string {
  if (code === 'HPE_HEADER_OVERFLOW') return `the headers are larger than ${headerBytes} bytes`;
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'the request did not arrive in time';
  return 'this is not HTTP/1.1 as RFC 9112 has it';
}
