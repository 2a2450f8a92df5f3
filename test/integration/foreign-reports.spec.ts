import fc from 'fast-check';

import { readEvent, readReport } from '#cluster';

import { aReport } from '../support/cluster-report.js';
import { EventTail } from '../../apps/broker/src/status/event-tail.js';
import { statusDocument } from '../../apps/broker/src/status/status-document.js';
import { upstreamFacts } from '../../apps/broker/src/status/upstream-status.js';

const nowMs = Date.parse('2026-03-01T03:00:00.000Z');
const CLOSED = { state: 'closed', failures: 0, remainingMs: 0 } as const;
const keys = { total: 0, fresh: 0, expiring: 0, dead: 0, refreshing: 0, failing: 0, counted_at: '' };
const vault = { clients: 0, callers: 0, locked: 0, newer: 0, age_seconds: 0 };

/** Something else in some fields, and in some fields of the entries of its lists. */
const foreign = fc
  .record({
    fields: fc.dictionary(fc.constantFrom(...Object.keys(aReport('a')), 'everyMs', 'mood'), fc.jsonValue()),
    list: fc.constantFrom('leading', 'upstreams', 'rejected', 'accepted', 'nearDeath'),
    entry: fc.dictionary(
      fc.constantFrom('client', 'environment', 'agoMs', 'forMs', 'failure', 'answeredAgoMs', 'failingForMs'),
      fc.oneof(fc.jsonValue(), fc.constantFrom('sandbox', 5, -1, 1e300)),
    ),
  })
  .map(({ fields, list, entry }) => ({ ...aReport('a'), [list]: [entry, entry], ...fields }));

it('whatever another version reports of itself, the status page has an answer', () => {
  fc.assert(
    fc.property(fc.array(foreign, { maxLength: 4 }), fc.nat(100_000), (told, agoMs) => {
      const replicas = told.flatMap((each) => readReport(each) ?? []).map((report) => ({ report, agoMs }));
      const document = statusDocument({
        nowMs,
        answeredBy: 'a',
        replicas,
        upstreams: [upstreamFacts('sandbox', replicas, CLOSED, nowMs)],
        stores: [],
        oldSecrets: [],
        vault,
        keys,
        minutes: [],
      });
      expect(document.replicas).toHaveLength(replicas.length);
      expect(JSON.parse(JSON.stringify(document))).toMatchObject({ answered_by: 'a' });
    }),
    { numRuns: 2_000 },
  );
});

it('whatever another version says has happened, the timeline can show', () => {
  const names = fc.constantFrom('id', 'kind', 'replica', 'client', 'took_ms', 'generation', 'caller', 'cause', 'mood');
  const values = fc.oneof(fc.jsonValue(), fc.constantFrom('refreshed', 'a', 5));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.dictionary(names, values), fc.double())), (told) => {
      const tail = new EventTail();
      for (const [each, agoMs] of told) {
        const event = readEvent({ id: '1', kind: 'failed', replica: 'a', ...each }, agoMs);
        if (event) tail.add(event, nowMs - agoMs);
      }
      expect(() => JSON.stringify(tail.newestFirst)).not.toThrow();
    }),
    { numRuns: 2_000 },
  );
});
