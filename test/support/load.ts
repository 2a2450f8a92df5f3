import { request } from 'node:http';

/** What became of one request. */
export interface Sent {
  /** When it was sent, and when it was over, by the monotonic clock. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly asked: string;
  /** 0 if there was no whole answer: then `body` says why. */
  readonly status: number;
  readonly body: string;
}

const TICK_MS = 10;
const LIMIT_MS = 20_000;

/**
 * Sends so many requests a second, whether or not those before are answered, each over a connection of its own, as callers
 * do that know nothing of each other. Nothing is sent twice.
 */
export class Load {
  readonly sent: Sent[] = [];
  readonly #timer: NodeJS.Timeout;
  #due = 0;
  #underWay = 0;

  /** @param bodyOf of the n-th request */
  constructor(
    perSecond: number,
    private readonly url: string,
    private readonly headers: Record<string, string>,
    private readonly bodyOf: (n: number) => string,
  ) {
    const startedAtMs = performance.now();
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAtMs) / 1_000) * perSecond);
      while (this.#due < due) void this.#send(this.bodyOf(this.#due++));
    }, TICK_MS);
    running.add(this);
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Sends no more, and waits for the last answers. */
  async stop(): Promise<void> {
    running.delete(this);
    clearInterval(this.#timer);
    while (this.#underWay > 0) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }

  async #send(asked: string): Promise<void> {
    const fromMs = performance.now();
    this.#underWay += 1;
    const answer = await post(this.url, this.headers, asked).catch((error: unknown) => ({
      status: 0,
      body: String(error),
    }));
    this.#underWay -= 1;
    this.sent.push({ fromMs, toMs: performance.now(), asked, ...answer });
  }
}

const running = new Set<Load>();

afterAll(async () => {
  await Promise.all([...running].map((load) => load.stop()));
});

/** @throws Error if the answer does not come whole */
function post(url: string, headers: Record<string, string>, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent: false, headers, timeout: LIMIT_MS }, (response) => {
      let text = '';
      response
        .setEncoding('utf8')
        .on('data', (chunk: string) => (text += chunk))
        .on('error', reject)
        .on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${LIMIT_MS} ms`)));
    sent.on('error', reject).end(body);
  });
}
