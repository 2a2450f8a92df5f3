import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { SpanKind, SpanStatus } from '@opentelemetry/api';

import { aFolder } from './folder.js';
import { eventually, type RunningProcess, root } from './processes.js';

export interface RecordedSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId?: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: SpanStatus;
  readonly events: readonly unknown[];
  readonly startMs: number;
  readonly endMs: number;
}

/** The spans that a process of ours makes when it is started with `env`. */
export class SpanRecorder {
  readonly #path = join(aFolder(), 'spans.json');
  readonly env: Record<string, string> = {
    NODE_OPTIONS: `--import ${join(root, 'test/support/span-recorder.mjs')}`,
    SPANS_FILE: this.#path,
  };

  /** Waits for these spans.
   *  @returns the first of them that `pick` finds something in */
  async until<T>({ child }: RunningProcess, pick: (spans: readonly RecordedSpan[]) => T | undefined): Promise<T> {
    return eventually(() => {
      child.kill('SIGUSR2');
      return pick(this.#read());
    });
  }

  #read(): RecordedSpan[] {
    try {
      return JSON.parse(readFileSync(this.#path, 'utf8')) as RecordedSpan[];
    } catch {
      // Not written yet.
      return [];
    }
  }
}
