import { Controller, Get, Header, Headers, Req, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { CallerGuard } from '../access/caller.guard.js';
import { type CallerRequest, Needs } from '../http/caller.js';
import { StatusBoard } from './status-board.js';
import { StatusStreams } from './status-streams.js';

/** The whole cluster, from any replica. */
@Controller('v1/status')
@Needs('ops')
export class StatusController {
  constructor(
    private readonly board: StatusBoard,
    private readonly streams: StatusStreams,
    private readonly guard: CallerGuard,
  ) {}

  /** What the dashboard shows: replicas, stores, upstreams, keys by state, what somebody should do something about. */
  @Get()
  @Header('Cache-Control', 'no-store')
  read() {
    return this.board.current();
  }

  /** What changes, as server-sent events: `status`, a StatusNow, at the beginning and with each change, and `timeline`, a
   *  TimelineEvent. It ends after some minutes: whoever comes back with the last id goes on. */
  @Get('stream')
  stream(
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: CallerRequest,
    @Res() reply: FastifyReply,
  ) {
    return this.streams.open(reply, lastEventId, () => this.guard.stillMay(request, 'ops'));
  }
}
