import { EventTail, TAIL } from './event-tail.js';

const event = (id: string) => ({ id, kind: 'invalidated', replica: 'a' }) as const;

it('keeps the newest events, each once', () => {
  const tail = new EventTail();
  for (let n = 0; n < TAIL + 50; n += 1) tail.add(event(`${n}`), 1_000 + n);
  tail.add(event('249'), 9_000);
  expect(tail.newestFirst).toHaveLength(TAIL);
  expect([tail.newestFirst[0]?.id, tail.newestFirst.at(-1)?.id]).toEqual(['249', '50']);
});

it('orders by time what came late, and tells of it all the same', () => {
  const tail = new EventTail();
  const told: string[] = [];
  const end = tail.subscribe(({ id }) => told.push(id));
  tail.add(event('second'), 2_000);
  tail.add(event('first'), 1_000);
  end();
  tail.add(event('third'), 3_000);
  expect(tail.newestFirst.map(({ id }) => id)).toEqual(['third', 'second', 'first']);
  expect(told).toEqual(['second', 'first']);
});

it('goes on after an event, and starts anew after one that it does not know', () => {
  const tail = new EventTail();
  for (const id of ['one', 'two', 'three']) tail.add(event(id), 1_000);
  const after = (id?: string) => tail.after(id).map((each) => each.id);
  expect(after('one')).toEqual(['two', 'three']);
  expect(after('three')).toEqual([]);
  expect(after('gone')).toEqual(['one', 'two', 'three']);
  expect(after()).toEqual(['one', 'two', 'three']);
});
