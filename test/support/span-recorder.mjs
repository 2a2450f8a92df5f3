/** For `node --import`: keeps all spans in memory, and writes them as JSON to SPANS_FILE at each SIGUSR2. */
import { renameSync, writeFileSync } from 'node:fs';

import { propagation, trace } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

const path = process.env.SPANS_FILE;
const exporter = new InMemorySpanExporter();

trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
propagation.setGlobalPropagator(
  new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
);

process.on('SIGUSR2', () => {
  writeFileSync(`${path}.part`, JSON.stringify(exporter.getFinishedSpans().map(shown)));
  renameSync(`${path}.part`, path);
});

function shown(span) {
  const { name, kind, attributes, status, events, links, startTime, endTime, parentSpanContext } = span;
  const { traceId, spanId } = span.spanContext();
  const times = { startMs: inMs(startTime), endMs: inMs(endTime) };
  return {
    name,
    kind,
    traceId,
    spanId,
    parentId: parentSpanContext?.spanId,
    attributes,
    status,
    events,
    links,
    ...times,
  };
}

function inMs([seconds, nanoseconds]) {
  return seconds * 1_000 + nanoseconds / 1_000_000;
}
