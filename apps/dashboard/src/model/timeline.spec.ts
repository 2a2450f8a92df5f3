import type { TimelineEvent, TimelineKind } from '#cluster';

import { byMinute, groupOf, merged, sentenceOf } from './timeline.js';

const event = (id: string, at: string, more: Partial<TimelineEvent> = {}): TimelineEvent => ({
  id,
  at: `2026-01-02T${at}.000Z`,
  kind: 'refreshed',
  replica: 'broker-1',
  client: 'acme',
  merchant_vat: 'DK12345678',
  ...more,
});

it('each event is there once, the newest first, and not without end', () => {
  const known = [event('2', '03:00:02'), event('1', '03:00:01')];
  const more = [event('2', '03:00:02'), event('3', '03:00:03')];
  expect(merged(known, more).map(({ id }) => id)).toEqual(['3', '2', '1']);
  expect(merged(known, more, 2).map(({ id }) => id)).toEqual(['3', '2']);
});

it('events of a minute stand together, and an older day is named', () => {
  const nowMs = Date.parse('2026-01-02T03:05:00.000Z');
  const groups = byMinute([event('3', '03:01:30'), event('2', '03:01:02'), event('1', '03:00:59')], nowMs);
  expect(groups.map(({ events }) => events.map(({ id }) => id))).toEqual([['3', '2'], ['1']]);
  expect(groups[0]?.label).toMatch(/^\d\d:\d\d$/);
  expect(byMinute([event('1', '03:01:30')], nowMs + 3 * 86_400_000)[0]?.label).toMatch(/2 Jan/);
});

it('a refresh says why, how long it took, how long it lives, and where', () => {
  const told = sentenceOf(event('1', '03:00:00', { cause: 'ahead', took_ms: 118, life_seconds: 3_699 }));
  expect(told).toEqual({
    subject: 'acme · DK12345678',
    verb: 'refreshed',
    more: 'ahead of need · 118 ms · 62 min life · broker-1',
  });
});

it('a failure says what went wrong in words, or its code for want of any', () => {
  const failed = event('1', '03:00:00', { kind: 'failed', code: 'upstream_unavailable' });
  expect(sentenceOf({ ...failed, detail: 'MobilePay is away' }).more).toBe('MobilePay is away · broker-1');
  expect(sentenceOf(failed).more).toBe('upstream_unavailable · broker-1');
});

it('a flood is told of nobody in particular', () => {
  const { client: _, merchant_vat: __, ...flood } = event('1', '03:00:00', { detail: '470 more within a minute' });
  expect(sentenceOf(flood)).toMatchObject({ subject: 'Several clients', more: '470 more within a minute · broker-1' });
});

it('who did it is named', () => {
  expect(sentenceOf(event('1', '03:00:00', { kind: 'invalidated', caller: 'anna' })).more).toBe('by anna');
  expect(
    sentenceOf(event('1', '03:00:00', { kind: 'rotated', detail: 'a secret was added', caller: 'anna' })),
  ).toMatchObject({
    verb: 'secret changed',
    more: 'a secret was added · by anna',
  });
});

it('a replica may be called by a shorter name', () => {
  const { client: _, ...went } = event('1', '03:00:00', { kind: 'replica_went', detail: 'said goodbye' });
  expect(sentenceOf(went, (name) => name.slice(-1))).toEqual({ subject: '1', verb: 'went', more: 'said goodbye' });
});

it('each kind has its filter', () => {
  const kinds: TimelineKind[] = [
    'refreshed',
    'failed',
    'invalidated',
    'rotated',
    'client_changed',
    'replica_came',
    'replica_went',
  ];
  expect(kinds.map(groupOf)).toEqual([
    'refreshed',
    'failed',
    'invalidated',
    'changed',
    'changed',
    'replicas',
    'replicas',
  ]);
});
