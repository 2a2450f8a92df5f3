import { ProxyTracerProvider, type Span, SpanStatusCode, trace } from '@opentelemetry/api';

const NAME = 'token-broker';

/** Makes spans if an SDK was registered before the start. Otherwise what it makes is nothing. */
export const tracer = trace.getTracer(NAME);

/** Whether an SDK is registered. Found out without a span, which would be exported. */
export function isTraced(): boolean {
  const provider = trace.getTracerProvider();
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegateTracer(NAME) !== undefined;
}

/** Says that what the span stands for has failed.
 *  @param type one of few words
 *  @param message in words that may be shown; never an error's own, unless it is ours */
export function markFailed(span: Span, type: string, message?: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) });
}
