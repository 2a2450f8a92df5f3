import { randomUUID } from 'node:crypto';

import { type Context, isSpanContextValid, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { FastifyRequest } from 'fastify';

import type { Origin } from '#token';

import { traceIdIn, traceparentOf } from './correlation-id.js';

/** What set a call to MobilePay off, as it goes through the core. By parameters and not by AsyncLocalStorage, which would
 *  cost every request something. */
export interface CallOrigin extends Origin {
  /** As the caller sent it, and valid. */
  readonly traceparent?: string | undefined;
  /** With the span that a new one belongs under; absent if there is none. */
  readonly context?: Context | undefined;
  /** Nobody's request: a renewal ahead of expiry. */
  readonly ahead?: true;
}

export function originOf({ id, headers, trace: traced }: FastifyRequest): CallOrigin {
  return { correlationId: id, traceparent: traceparentOf(headers), context: traced?.context };
}

export function originAhead(): CallOrigin {
  return { correlationId: randomUUID(), ahead: true };
}

/** The id of the trace that it belongs to, if there is one already. */
export function traceIdOf({ traceparent, context = ROOT_CONTEXT }: CallOrigin): string | undefined {
  return trace.getSpanContext(context)?.traceId ?? traceIdIn(traceparent);
}

/** The headers that tell MobilePay where a call comes from. Baggage stays in the house; a trace that is none of ours goes
 *  through as it came. */
export function outgoingHeaders({ correlationId, traceparent }: CallOrigin, context: Context): Record<string, string> {
  const headers: Record<string, string> = {};
  const span = trace.getSpanContext(context);
  if (span && isSpanContextValid(span)) propagation.inject(propagation.deleteBaggage(context), headers);
  else if (traceparent !== undefined) headers['traceparent'] = traceparent;
  headers['x-correlation-id'] = correlationId;
  return headers;
}
