import { batch, computed, signal } from '@preact/signals';

import type { Status, StatusNow, TimelineEvent } from '#cluster';

import { ApiError, call, urlOf } from './api.js';
import { asked } from './asking.js';
import { setBrokerTime } from './clock.js';
import { applyEvents, forgetRows, keepRows, loadRows } from './keys.js';
import { readSession } from './session.js';
import { commonStart } from './replica-names.js';
import { merged } from './timeline.js';

/** How long it may be gone before somebody is told: one replica's restart behind a balancer is nobody's business. */
const PATIENCE_MS = 2_500;
/** A stream says something each 5 s. One that does not is asked whether it still lives. */
const SILENCE_MS = 8_000;
const WATCH_MS = 2_500;
const CHECK_TIMEOUT_MS = 4_000;
/** Events come in bursts: they are drawn together. */
const FLUSH_MS = 400;
const RETRY_MS = [500, 1_000, 2_000, 5_000] as const;

export const status = signal<StatusNow | undefined>(undefined);
/** Whoever needs only this much is not drawn again with each status. */
export const hasStatus = computed(() => status.value !== undefined);
export const keysTotal = computed(() => status.value?.keys.total ?? 0);
export const hasClients = computed(() => (status.value?.vault.clients ?? 0) > 0);

export const events = signal<readonly TimelineEvent[]>([]);
export const isLost = signal(false);
/** When something was last heard, on the clock of this machine. */
export const lastHeardMs = signal(Date.now());

/** What is shown may not be so any more. */
export const isStale = computed(() => isLost.value && status.value !== undefined);

const nameStart = computed(() => commonStart(status.value?.replicas.map(({ name }) => name) ?? []));

/** A replica's name without what all of them share: to be shown where the whole one has no room. */
export function shortName(replica: string): string {
  return replica.startsWith(nameStart.value) ? replica.slice(nameStart.value.length) : replica;
}

let stopAll: (() => void) | undefined;

/** Follows the broker until `stopLive`: reads all once, then what changes. */
export function startLive(): void {
  stopAll?.();
  const stopRows = keepRows();
  const stream = new LiveStream();
  stopAll = () => {
    stopRows();
    stream.stop();
  };
  stream.connect();
}

export function stopLive(): void {
  stopAll?.();
  stopAll = undefined;
  batch(() => {
    status.value = undefined;
    events.value = [];
    isLost.value = false;
    asked.value = undefined;
    forgetRows();
  });
}

/** Does not wait for the next try. */
export function reconnectNow(): void {
  if (stopAll) startLive();
}

class LiveStream {
  #source: EventSource | undefined;
  #attempt = 0;
  #waiting: TimelineEvent[] = [];
  #retry: ReturnType<typeof setTimeout> | undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #flush: ReturnType<typeof setTimeout> | undefined;
  #isChecking = false;
  #isStopped = false;
  readonly #watch = setInterval(() => void this.#checkSilence(), WATCH_MS);

  connect(): void {
    this.#source?.close();
    const source = new EventSource(urlOf('v1/status/stream'));
    this.#source = source;
    source.addEventListener('open', () => this.#opened());
    source.addEventListener('status', (event) => {
      this.#heard();
      const now: StatusNow = JSON.parse(String(event.data));
      showStatus(now);
    });
    source.addEventListener('timeline', (event) => {
      this.#heard();
      const happened: TimelineEvent = JSON.parse(String(event.data));
      this.#waiting.push(happened);
      this.#flush ??= setTimeout(() => this.#apply(), FLUSH_MS);
    });
    source.addEventListener('error', () => {
      this.#lose();
      // The browser tries again by itself, unless it was answered with anything but a stream.
      if (source.readyState === EventSource.CLOSED) this.#connectLater();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#source?.close();
    clearInterval(this.#watch);
    for (const timer of [this.#retry, this.#patience, this.#flush]) clearTimeout(timer);
  }

  #opened(): void {
    this.#attempt = 0;
    this.#heard();
    // Whatever was missed: the past, and the rows.
    void this.#read();
    void loadRows();
  }

  #heard(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    batch(() => {
      lastHeardMs.value = Date.now();
      isLost.value = false;
    });
  }

  #lose(): void {
    this.#patience ??= setTimeout(() => {
      isLost.value = true;
    }, PATIENCE_MS);
  }

  #connectLater(): void {
    const delay = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)] ?? 0;
    this.#attempt += 1;
    clearTimeout(this.#retry);
    // Many pages must not come back in the same moment.
    this.#retry = setTimeout(() => this.connect(), delay * (0.75 + Math.random() / 2));
    // An EventSource does not say why it was refused; this does, and ends a session that is over.
    if (!this.#isStopped) void readSession();
  }

  #apply(): void {
    this.#flush = undefined;
    const batchOf = this.#waiting;
    this.#waiting = [];
    batch(() => {
      events.value = merged(events.peek(), batchOf);
      applyEvents(batchOf);
    });
  }

  async #read(timeoutMs?: number): Promise<boolean> {
    try {
      const { body } = await call<Status>('v1/status', timeoutMs === undefined ? {} : { timeoutMs });
      if (this.#isStopped) return true;
      showStatus(body);
      events.value = merged(events.peek(), body.events);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return false;
    }
  }

  /** A connection may be dead without anybody saying so. */
  async #checkSilence(): Promise<void> {
    const isSilent = Date.now() - lastHeardMs.peek() > SILENCE_MS;
    if (!isSilent || this.#isChecking || this.#source?.readyState !== EventSource.OPEN) return;
    this.#isChecking = true;
    const isThere = await this.#read(CHECK_TIMEOUT_MS);
    this.#isChecking = false;
    if (this.#isStopped) return;
    if (isThere) {
      this.#heard();
      return;
    }
    this.#lose();
    this.#source?.close();
    this.#connectLater();
  }
}

function showStatus(now: StatusNow): void {
  setBrokerTime(Date.parse(now.at));
  status.value = now;
}
