import { jest } from '@jest/globals';
import type { FastifyRequest } from 'fastify';

import type { AuditLog } from './audit-log.js';
import { Refusals } from './refusals.js';

jest.useFakeTimers({ now: Date.parse('2026-01-02T03:04:05Z') });

function aTrail() {
  const lines: Record<string, unknown>[] = [];
  const log: Pick<AuditLog, 'write'> = { write: (event, fields) => void lines.push({ event, ...fields }) };
  return { lines, refusals: new Refusals(log as AuditLog, (name) => name === 'acme') };
}

function aRequest(more: object = {}): FastifyRequest {
  const request: object = { method: 'POST', ip: '192.0.2.1', body: { client: 'acme' }, caller: { name: 'shop' } };
  return { routeOptions: { url: '/v1/tokens' }, ...request, ...more } as FastifyRequest;
}

const first = {
  event: 'request.refused',
  code: 'forbidden',
  caller: 'shop',
  client: 'acme',
  route: 'POST /v1/tokens',
  address: '192.0.2.1',
};

it('the first is written at once, the next of its kind as one line at the end of the minute', () => {
  const { lines, refusals } = aTrail();
  for (let n = 0; n < 500; n += 1) {
    refusals.note('forbidden', aRequest());
    jest.advanceTimersByTime(10);
  }
  expect(lines).toEqual([first]);
  jest.advanceTimersByTime(60_000);
  const [firstAt, lastAt] = ['2026-01-02T03:04:05.010Z', '2026-01-02T03:04:09.990Z'];
  expect(lines).toEqual([first, { ...first, count: 499, first_at: firstAt, last_at: lastAt }]);
  jest.advanceTimersByTime(600_000);
  expect(lines).toHaveLength(2);
  refusals.note('forbidden', aRequest());
  expect(lines).toHaveLength(3);
});

it('each code, caller, client, route and address is of a kind of its own', () => {
  const { lines, refusals } = aTrail();
  const others = [{}, { caller: undefined }, { body: {} }, { ip: '192.0.2.2' }, { routeOptions: { url: '/metrics' } }];
  for (const more of others) refusals.note('forbidden', aRequest(more));
  refusals.note('rate_limited', aRequest());
  expect(lines).toHaveLength(6);
});

it('nothing that was sent is repeated but the name of a client that is there, and of a stranger nothing', () => {
  const { lines, refusals } = aTrail();
  const sent = [
    { client: 'Secret_Value' },
    { client: 'a-secret-like-a-name' },
    { client: { deep: 'x' } },
    'x',
    null,
    [1],
  ];
  for (const body of sent) refusals.note('unauthenticated', aRequest({ body, caller: undefined }));
  for (const body of sent) refusals.note('forbidden', aRequest({ body }));
  refusals.note('unauthenticated', aRequest({ caller: undefined }));
  refusals.flush();
  expect(lines).toMatchObject([
    { caller: null, client: null },
    { caller: 'shop', client: null },
    { code: 'unauthenticated', count: sent.length },
    { code: 'forbidden', count: sent.length - 1 },
  ]);
  expect(JSON.stringify(lines)).not.toMatch(/secret/i);
});

it('a flood of one sender’s kinds is counted by its codes, and hides nobody else’s', () => {
  const { lines, refusals } = aTrail();
  const flood = (caller: object | undefined) => {
    for (let n = 0; n < 5_000; n += 1) {
      refusals.note('unauthenticated', aRequest({ ip: `2001:db8::${n}`, caller }));
    }
  };
  flood(undefined);
  flood({ name: 'noisy' });
  expect(lines).toHaveLength(200);
  refusals.note('forbidden', aRequest());
  expect(lines[200]).toEqual(first);
  refusals.flush();
  expect(lines.slice(201)).toEqual(
    [null, 'noisy'].map((caller) =>
      expect.objectContaining({ code: 'unauthenticated', caller, others: true, count: 4_900 }),
    ),
  );
  // After that there is room again.
  refusals.note('unauthenticated', aRequest({ ip: '192.0.2.9', caller: undefined }));
  expect(lines.at(-1)).toMatchObject({ address: '192.0.2.9' });
});
