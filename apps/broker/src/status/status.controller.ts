import { Controller, Get, Header, Headers, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { Needs } from '../http/caller.js';
import { StatusBoard } from './status-board.js';
import { StatusStreams } from './status-streams.js';

/** The whole cluster, from any replica. */
@Controller('v1/status')
@Needs('ops')
export class StatusController {
  constructor(
    private readonly board: StatusBoard,
    private readonly streams: StatusStreams,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  read() {
    return this.board.current();
  }

  /** What changes, as server-sent events. */
  @Get('stream')
  stream(@Headers('last-event-id') lastEventId: string | undefined, @Res() reply: FastifyReply) {
    return this.streams.open(reply, lastEventId);
  }
}
