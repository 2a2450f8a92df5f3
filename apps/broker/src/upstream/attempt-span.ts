import { ROOT_CONTEXT, type Span, SpanKind, trace } from '@opentelemetry/api';

import { type CallOrigin, outgoingHeaders } from '../tracing/call-origin.js';
import { markFailed, tracer } from '../tracing/tracer.js';

/** What the port is where the URL does not say it. */
const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** The span of one attempt at MobilePay, and the headers by which it is found again there. */
export class AttemptSpan {
  readonly headers: Readonly<Record<string, string>>;
  readonly #span: Span;

  /** @param count 1 for the first attempt */
  constructor(
    { tokenUrl, origin }: { readonly tokenUrl: string; readonly origin?: CallOrigin | undefined },
    count: number,
  ) {
    const parent = origin?.context ?? ROOT_CONTEXT;
    const { protocol, hostname, port, pathname } = new URL(tokenUrl);
    const attributes = {
      'http.request.method': 'POST',
      'server.address': hostname,
      'server.port': port === '' ? (PORTS[protocol] ?? 0) : Number(port),
      'url.full': tokenUrl,
      ...(count > 1 && { 'http.request.resend_count': count - 1 }),
    };
    this.#span = tracer.startSpan(`POST ${pathname}`, { kind: SpanKind.CLIENT, attributes }, parent);
    this.headers = origin ? outgoingHeaders(origin, trace.setSpan(parent, this.#span)) : {};
  }

  noteStatus(status: number): void {
    this.#span.setAttribute('http.response.status_code', status);
  }

  /** @param detail what went wrong, in words that may be shown */
  end(result: string, detail: string | undefined): void {
    if (result !== 'ok') markFailed(this.#span, result, detail);
    this.#span.end();
  }
}
