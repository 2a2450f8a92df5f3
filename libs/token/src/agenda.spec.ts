import fc from 'fast-check';

import { FakeClock } from '../../../test/support/fake-clock.js';
import { Agenda, type Due, NOT_DUE } from './agenda.js';

interface Item extends Due {
  readonly name: string;
}

function setup() {
  const clock = new FakeClock();
  const struck: [name: string, atMs: number][] = [];
  const agenda = new Agenda<Item>(clock, ({ name }) => struck.push([name, clock.now()]));
  const item = (name: string): Item => ({ ...NOT_DUE, name });
  return { clock, agenda, struck, item, names: () => struck.map(([name]) => name) };
}

it('hands out each when it is due, never early, in order', async () => {
  const { clock, agenda, item, struck } = setup();
  const startMs = clock.now();
  for (const [name, delayMs] of [
    ['b', 200],
    ['a', 100.5],
    ['c', 300],
    ['at once', 0],
  ] as const) {
    agenda.set(item(name), delayMs);
  }
  await clock.advance(1_000);
  expect(struck.map(([name]) => name)).toEqual(['at once', 'a', 'b', 'c']);
  expect(struck.map(([, atMs]) => atMs - startMs)).toEqual([0, 101, 200, 300]);
  expect(agenda.size).toBe(0);
});

it('sets one timer, however many are due', async () => {
  const { clock, agenda, item } = setup();
  for (let i = 0; i < 1_000; i += 1) agenda.set(item(String(i)), (i * 7_919) % 1_000);
  expect(clock.pendingTimers).toBe(1);
  await clock.advance(500);
  expect(clock.pendingTimers).toBe(1);
  await clock.advance(1_000);
  expect([clock.pendingTimers, agenda.size]).toEqual([0, 0]);
});

it('is late by 1 % at most, so that what is due at about the same time is handed out at once', async () => {
  const { clock, agenda, item, struck } = setup();
  const startMs = clock.now();
  const delays = Array.from({ length: 4_000 }, (_, i) => 20_000 + 10 * i + 0.5);
  for (const delayMs of delays) agenda.set(item(String(delayMs)), delayMs);
  let wakeUps = 0;
  const schedule = clock.schedule.bind(clock);
  clock.schedule = (delayMs, action) => {
    wakeUps += 1;
    return schedule(delayMs, action);
  };
  await clock.advance(100_000);
  expect(struck).toHaveLength(delays.length);
  for (const [name, atMs] of struck) {
    const lateMs = atMs - startMs - Number(name);
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThan(Math.min(250, Number(name) / 100) + 1);
  }
  // Those due in less than 25 s one by one, the others by the quarter of a second.
  expect(wakeUps).toBeLessThan(500 + 4 * 36);
});

it('forgets what was taken out, and moves what is set again', async () => {
  const { clock, agenda, item, names } = setup();
  const [gone, later, sooner] = [item('gone'), item('later'), item('sooner')];
  agenda.set(gone, 100);
  agenda.set(later, 100);
  agenda.set(sooner, 100);
  agenda.delete(gone);
  agenda.delete(gone);
  agenda.set(later, 300);
  agenda.set(sooner, 50);
  await clock.advance(60);
  expect(names()).toEqual(['sooner']);
  await clock.advance(200);
  expect(names()).toEqual(['sooner']);
  await clock.advance(100);
  expect(names()).toEqual(['sooner', 'later']);
});

it('takes what is set, taken out or cleared while it hands out', async () => {
  const clock = new FakeClock();
  const struck: string[] = [];
  const [again, other]: Item[] = [
    { ...NOT_DUE, name: 'again' },
    { ...NOT_DUE, name: 'other' },
  ];
  const agenda = new Agenda<Item>(clock, (due) => {
    struck.push(due.name);
    agenda.delete(other!);
    if (struck.length < 3) agenda.set(due, 100);
  });
  agenda.set(again!, 100);
  agenda.set(other!, 100);
  await clock.advance(1_000);
  expect(struck).toEqual(['again', 'again', 'again']);
  agenda.set(again!, 100);
  agenda.clear();
  agenda.set(other!, 50);
  await clock.advance(1_000);
  expect(struck).toEqual(['again', 'again', 'again', 'other']);
});

it('goes on after an action that threw', async () => {
  const clock = new FakeClock();
  const struck: string[] = [];
  const agenda = new Agenda<Item>(clock, ({ name }) => {
    struck.push(name);
    if (name === 'bad') throw new Error('no');
  });
  agenda.set({ ...NOT_DUE, name: 'bad' }, 100);
  agenda.set({ ...NOT_DUE, name: 'good' }, 200);
  await expect(clock.advance(150)).rejects.toThrow('no');
  await clock.advance(150);
  expect(struck).toEqual(['bad', 'good']);
});

it('holds what is due in a year beside what is due now', async () => {
  const { clock, agenda, item, names } = setup();
  agenda.set(item('far'), 365 * 86_400_000);
  agenda.set(item('near'), 1);
  await clock.advance(86_400_000);
  expect(names()).toEqual(['near']);
  await clock.advance(365 * 86_400_000);
  expect(names()).toEqual(['near', 'far']);
});

it('does with any changes what a timer for each would', async () => {
  const change = fc.record({ which: fc.nat(20), delayMs: fc.nat(50), deletes: fc.boolean(), afterMs: fc.nat(10) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 60 }), async (changes) => {
      const { clock, agenda, item, struck } = setup();
      const items = Array.from({ length: 21 }, (_, i) => item(String(i)));
      const expected: [string, number][] = [];
      const cancels = new Map<number, () => void>();
      for (const { which, delayMs, deletes, afterMs } of changes) {
        cancels.get(which)?.();
        if (deletes) {
          agenda.delete(items[which]!);
        } else {
          agenda.set(items[which]!, delayMs);
          cancels.set(
            which,
            clock.schedule(delayMs, () => void expected.push([String(which), clock.now()])),
          );
        }
        await clock.advance(afterMs);
      }
      await clock.advance(100);
      const sorted = (all: [string, number][]) => all.toSorted((a, b) => a[1] - b[1] || a[0].localeCompare(b[0]));
      expect(sorted(struck)).toEqual(sorted(expected));
    }),
    { numRuns: 300 },
  );
});
