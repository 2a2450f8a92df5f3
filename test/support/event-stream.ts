import type { Status, StatusNow, TimelineEvent } from '#cluster';

import type { RunningBroker } from './broker.js';
import { bearer, call } from './http.js';

/** What the broker tells of the whole cluster. */
export async function statusOf(broker: RunningBroker, key = broker.adminKey): Promise<Status> {
  const { status, text } = await call('GET', `${broker.url}/v1/status`, { headers: bearer(key) });
  if (status !== 200) throw new Error(`GET /v1/status answered ${status}: ${text}`);
  return JSON.parse(text) as Status;
}

/** A client of `GET /v1/status/stream` that reads all it gets. Ends with the test file. */
export class EventStream {
  readonly statuses: StatusNow[] = [];
  readonly events: TimelineEvent[] = [];
  readonly ids: string[] = [];
  /** All that came, as it came. */
  text = '';
  hasEnded = false;

  private constructor(
    readonly response: Response,
    private readonly abort: AbortController,
  ) {}

  static async open(broker: RunningBroker, key: string, lastEventId?: string): Promise<EventStream> {
    const abort = new AbortController();
    const resume = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const response = await fetch(`${broker.url}/v1/status/stream`, {
      headers: { ...bearer(key), ...resume },
      signal: abort.signal,
    });
    const stream = new EventStream(response, abort);
    open.add(stream);
    void stream.#read();
    return stream;
  }

  get now(): StatusNow | undefined {
    return this.statuses.at(-1);
  }

  close(): void {
    open.delete(this);
    this.abort.abort();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const bytes of this.response.body!) {
        const text = decoder.decode(bytes as Uint8Array, { stream: true });
        this.text += text;
        const messages = (rest + text).split('\n\n');
        rest = messages.pop()!;
        for (const message of messages) this.#take(message);
      }
    } catch {
      // Cut off, by whichever side.
    }
    this.hasEnded = true;
  }

  #take(message: string): void {
    const fields = new Map(message.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]));
    const [event, data, id] = [fields.get('event'), fields.get('data'), fields.get('id')];
    if (event === 'status') this.statuses.push(JSON.parse(data!) as StatusNow);
    if (event !== 'timeline') return;
    this.events.push(JSON.parse(data!) as TimelineEvent);
    this.ids.push(id!);
  }
}

const open = new Set<EventStream>();

afterAll(() => {
  for (const stream of open) stream.close();
});
