import { PassThrough } from 'node:stream';

import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import type { StatusNow, TimelineEvent } from '#cluster';

import { systemClock } from '../config/system-clock.js';
import { Drain } from '../http/drain.js';
import { Problem } from '../http/problem.js';
import { Reporter } from './reporter.js';
import { StatusBoard } from './status-board.js';
import { gistOf } from './status-document.js';

const MOST_STREAMS = 100;
/** What may wait for a client that does not read, in bytes. */
const MOST_UNREAD = 1_048_576;
/** Times in ms. Something is said at least every so often: ages go on, and proxies close what is silent. */
const SILENT_FOR_MS = 5_000;
/** Then the client comes back by itself. */
const OPEN_FOR_MS = 300_000;
/** How often it is asked whether the caller still may watch: a key may be revoked, or run out. */
const JUDGE_EVERY_MS = 2_000;
const RETRY_MS = 1_000;

interface Stream {
  readonly body: PassThrough;
  readonly reply: FastifyReply;
  saidAtMs: number;
  gist: string;
}

interface Written {
  readonly status: StatusNow;
  readonly gist: string;
  readonly message: string;
}

/** Server-sent events (WHATWG HTML, section 9.2): the status when it has changed, and each event of the timeline. */
@Injectable()
export class StatusStreams {
  readonly #streams = new Set<Stream>();
  #opening = 0;
  #lastWritten: Written | undefined;

  constructor(
    private readonly board: StatusBoard,
    private readonly reporter: Reporter,
    private readonly drain: Drain,
  ) {
    drain.onBegin(() => {
      for (const { body } of this.#streams) body.end();
    });
  }

  get size(): number {
    return this.#streams.size + this.#opening;
  }

  /** @param lastEventId where the client was cut off, if it was
   *  @param stillMay whether its caller would be let in now; if not, the stream ends
   *  @throws Problem `draining`, `overloaded` */
  async open(reply: FastifyReply, lastEventId: string | undefined, stillMay: () => Promise<boolean>): Promise<void> {
    this.#refuseIfNotWelcome();
    this.#opening += 1;
    const first = await this.board.now().finally(() => (this.#opening -= 1));
    this.#refuseIfNotWelcome();
    const stream = { body: new PassThrough(), reply, saidAtMs: 0, gist: '' };
    this.#streams.add(stream);
    const judging = setInterval(() => void endUnless(stillMay, stream), JUDGE_EVERY_MS).unref();
    const ends = [
      () => clearInterval(judging),
      systemClock.schedule(OPEN_FOR_MS, () => stream.body.end()),
      this.board.subscribe((status) => this.#sayStatus(stream, status)),
      this.reporter.tail.subscribe((event) => this.#say(stream, timelineMessage(event))),
    ];
    // As with HEAD, whose answer has no body that could end.
    reply.raw.once('close', () => stream.body.destroy());
    stream.body.once('close', () => {
      this.#streams.delete(stream);
      for (const end of ends) end();
    });
    this.#say(stream, `retry: ${RETRY_MS}\n\n`);
    this.#sayStatus(stream, first);
    for (const event of this.reporter.tail.after(lastEventId)) this.#say(stream, timelineMessage(event));
    void reply
      .header('Cache-Control', 'no-store')
      .header('X-Accel-Buffering', 'no')
      .type('text/event-stream; charset=utf-8')
      .send(stream.body);
  }

  #refuseIfNotWelcome(): void {
    if (this.drain.draining) throw new Problem('draining', 'this replica is shutting down', { retryAfterMs: RETRY_MS });
    if (this.size < MOST_STREAMS) return;
    const detail = `this replica serves ${MOST_STREAMS} streams already`;
    throw new Problem('overloaded', detail, { retryAfterMs: SILENT_FOR_MS });
  }

  #sayStatus(stream: Stream, status: StatusNow): void {
    const { gist, message } = this.#written(status);
    const now = systemClock.now();
    if (gist === stream.gist && now - stream.saidAtMs < SILENT_FOR_MS) return;
    stream.gist = gist;
    stream.saidAtMs = now;
    this.#say(stream, message);
  }

  /** Once for all streams that are told of it. */
  #written(status: StatusNow): Written {
    let written = this.#lastWritten;
    if (written?.status !== status) {
      written = { status, gist: gistOf(status), message: `event: status\ndata: ${JSON.stringify(status)}\n\n` };
      this.#lastWritten = written;
    }
    return written;
  }

  /** Who does not read is cut off: what is not read would pile up here. */
  #say({ body, reply }: Stream, message: string): void {
    if (body.writableEnded || body.destroyed) return;
    const unread = body.writableLength + body.readableLength + reply.raw.writableLength;
    if (unread > MOST_UNREAD) {
      body.destroy();
      reply.raw.destroy();
      return;
    }
    body.write(message);
  }
}

async function endUnless(stillMay: () => Promise<boolean>, { body }: Stream): Promise<void> {
  // What cannot be told is no reason to go on.
  if (!(await stillMay().catch(() => false))) body.end();
}

/** JSON has no line breaks, and neither may an id. */
function timelineMessage(event: TimelineEvent): string {
  return `id: ${event.id.replaceAll(/[\r\n\0]/g, '')}\nevent: timeline\ndata: ${JSON.stringify(event)}\n\n`;
}
