import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What a caller may give as the id to find its request in the log by. Not what looks like a caller key or a JWT. */
const CORRELATION_ID = /^(?!tbk_|eyJ)[\w.:-]{1,128}$/;
/** W3C Trace Context §3.2: version, trace-id, parent-id, flags. Later versions may have more behind it. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-[!-~]{0,256})?$/;
/** How long one of version 00 is: nothing may stand behind it. */
const VERSION_00_LENGTH = 55;

/** The id by which a request is found again: what its caller calls it, or else its trace, or else a new one. */
export function correlationIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-correlation-id'];
  if (typeof given === 'string' && CORRELATION_ID.test(given)) return given;
  return traceIdIn(traceparentOf(headers)) ?? randomUUID();
}

/** The header `traceparent`, if it is one. */
export function traceparentOf({ traceparent }: IncomingHttpHeaders): string | undefined {
  return traceIdIn(traceparent) === undefined ? undefined : String(traceparent);
}

/** @returns undefined if it is none, or not valid */
export function traceIdIn(traceparent: unknown): string | undefined {
  if (typeof traceparent !== 'string') return undefined;
  if (traceparent.startsWith('00') && traceparent.length !== VERSION_00_LENGTH) return undefined;
  return TRACEPARENT.exec(traceparent)?.[1];
}
