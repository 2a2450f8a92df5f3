export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What stands in Prometheus' text format, as prom-client writes it. */
export class ReadMetrics {
  readonly samples: readonly Sample[];
  /** By name, without the `_bucket`, `_sum` and `_count` of a histogram. */
  readonly types: ReadonlyMap<string, string>;

  constructor(readonly text: string) {
    this.types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
    this.samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name = '', labels = '', value]) => ({
      name,
      labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, of]) => [label, of])),
      value: Number(value),
    }));
  }

  /** Of the one sample, or undefined if there is none. */
  valueOf(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const fits = (sample: Sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
    return this.samples.find((sample) => sample.name === name && fits(sample))?.value;
  }

  /** The values that a label takes, in whatever metric. */
  valuesOf(label: string): string[] {
    return [...new Set(this.samples.flatMap(({ labels }) => labels[label] ?? []))];
  }
}
