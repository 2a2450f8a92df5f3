import { readEvent, readReport } from '#cluster';

import { aReport } from '../../../test/support/cluster-report.js';

const who = { name: 'a', run: 'run', version: '9.0.0' };
const nothing = { ...aReport('a', who), uptimeMs: 0, redisUp: null };

describe('a report', () => {
  it('of this version is read as it was written', () => {
    const failure = { agoMs: 5, code: 'upstream_unavailable', detail: 'answered 503' };
    const report = aReport('a', {
      everyMs: 1_000,
      leading: [{ client: 'acme', merchantVat: 'DK1' }, { client: 'other' }],
      upstreams: [{ environment: 'sandbox', answeredAgoMs: 7, failure, failuresInARow: 2, failingForMs: 3 }],
      rejected: [{ client: 'acme', environment: 'sandbox', agoMs: 1 }],
      nearDeath: [{ environment: 'sandbox', forMs: 4 }],
      audit: { lost: 1, agoMs: 2 },
      newer: 3,
    });
    expect(readReport(JSON.parse(JSON.stringify(report)))).toEqual(report);
  });

  it('that says less has nothing to say of the rest; what it says more is passed over', () => {
    expect(readReport(who)).toEqual(nothing);
    expect(readReport({ ...who, mood: 'good' })).toEqual(nothing);
  });

  it.each(['text', null, [1, null, 'x', [], {}], { length: 3 }, -1, 1e300])(
    'with %j in place of everything but its name is one that says nothing',
    (value) => {
      const fields = [...Object.keys(aReport('a')), 'everyMs'];
      expect(readReport({ ...Object.fromEntries(fields.map((name) => [name, value])), ...who })).toEqual(nothing);
    },
  );

  it.each([undefined, null, 1, 'a', [], {}, { name: 'a', run: 'run' }, { ...who, run: 1 }, { ...who, version: [] }])(
    'that is %j is none',
    (value) => {
      expect(readReport(value)).toBeUndefined();
    },
  );
});

describe('an event', () => {
  const event = { id: '1', kind: 'refreshed', replica: 'a' };

  it('of this version is read as it was written', () => {
    const whole = {
      ...event,
      client: 'acme',
      cause: 'ahead',
      took_ms: 5,
      generation: 1_700_000_000_000_000,
      detail: '',
    };
    expect(readEvent(whole, 0)).toEqual(whole);
  });

  it('keeps what this version knows of it', () => {
    expect(readEvent({ ...event, client: 5, cause: 'whim', took_ms: 'long', mood: 'good', code: 'x' }, 0)).toEqual({
      ...event,
      code: 'x',
    });
  });

  it.each([
    ['of a kind that is not known', { ...event, kind: 'promoted' }, 0],
    ['without an id', { ...event, id: 1 }, 0],
    ['without a replica', { ...event, replica: null }, 0],
    ['of nothing', undefined, 0],
    ['before there was time', event, 1e16],
  ])('%s is none', (_, value, agoMs) => {
    expect(readEvent(value, agoMs)).toBeUndefined();
  });
});
