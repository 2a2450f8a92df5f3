import { FakeClock } from '../../../../test/support/fake-clock.js';
import { type Happening, Repeats } from './repeats.js';

function setUp(mostRefreshes = 30) {
  const clock = new FakeClock();
  const passed: Happening[] = [];
  return {
    clock,
    passed,
    repeats: new Repeats(
      clock,
      (event) => passed.push(event),
      () => mostRefreshes,
    ),
  };
}

const failure = (client: string, more: Partial<Happening> = {}): Happening => ({
  kind: 'failed',
  client,
  merchant_vat: 'DK12345678',
  code: 'upstream_unavailable',
  detail: 'answered 503',
  ...more,
});

it('tells a failure at once, and how often it came again after a minute', async () => {
  const { clock, passed, repeats } = setUp();
  const first = failure('acme', { retry_after: 9 });
  for (let n = 0; n < 58; n += 1) repeats.note(first);
  expect(passed).toEqual([first]);
  await clock.advance(60_000);
  expect(passed.slice(1)).toEqual([failure('acme', { detail: 'answered 503 (57 more within a minute)' })]);
  repeats.note(failure('acme'));
  expect(passed).toHaveLength(3);
});

it('says nothing more of what happened once', async () => {
  const { clock, passed, repeats } = setUp();
  repeats.note(failure('acme'));
  await clock.advance(120_000);
  expect(passed).toHaveLength(1);
});

it('tells clients, merchants and codes apart', () => {
  const { passed, repeats } = setUp();
  repeats.note(failure('acme'));
  repeats.note(failure('other'));
  repeats.note(failure('acme', { merchant_vat: 'DK00000000' }));
  repeats.note(failure('acme', { code: 'merchant_rejected' }));
  expect(passed).toHaveLength(4);
});

it('keeps a flood of different failures from washing everything off, and from filling memory', async () => {
  const { clock, passed, repeats } = setUp();
  for (let n = 0; n < 10_000; n += 1) repeats.note(failure(`client-${n}`));
  expect(passed.length).toBeLessThanOrEqual(100);
  expect(clock.pendingTimers).toBeLessThanOrEqual(101);
  await clock.advance(60_000);
  expect(passed.length).toBeLessThanOrEqual(101);
  expect(passed.at(-1)).toEqual({ kind: 'failed', detail: '9900 more within a minute, of this and other clients' });
  repeats.note({ kind: 'rotated', client: 'acme' });
  expect(passed.at(-1)).toEqual({ kind: 'rotated', client: 'acme' });
});

it('tells some of what happens all day', async () => {
  const { clock, passed, repeats } = setUp();
  for (let n = 0; n < 500; n += 1) repeats.note({ kind: 'refreshed', client: `client-${n}` });
  expect(passed).toHaveLength(30);
  await clock.advance(60_000);
  expect(passed.at(-1)).toEqual({ kind: 'refreshed', detail: '470 more within a minute, of this and other clients' });
});

it('tells fewer refreshes where it is told to, and as much as ever of what people do', () => {
  const { passed, repeats } = setUp(6);
  for (let n = 0; n < 20; n += 1) {
    repeats.note({ kind: 'refreshed', client: `client-${n}` });
    repeats.note({ kind: 'client_changed', client: `client-${n}` });
  }
  expect(passed.filter(({ kind }) => kind === 'refreshed')).toHaveLength(6);
  expect(passed.filter(({ kind }) => kind === 'client_changed')).toHaveLength(20);
});
