import { Counter, type Registry } from 'prom-client';

/** A counter that is kept elsewhere. */
export function keptCounter(registry: Registry, name: string, help: string, value: () => number): void {
  const counter: Counter = new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      counter.reset();
      counter.inc(value());
    },
  });
}
