import { Body, Controller, Delete, Get, Header, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { Callers } from '../access/callers.js';
import { clearSession, fitsIntoCookie, sessionIn, setSession } from '../access/session-cookie.js';
import { mayWatch, Sessions } from '../access/sessions.js';
import { AuditLog } from '../audit/audit-log.js';
import { type CallerRequest, Needs, Open } from '../http/caller.js';
import { invalidRequest, Problem } from '../http/problem.js';
import { validated } from '../http/validated.js';
import { SessionBody } from './session.dto.js';
import { SignInLimit } from './sign-in-limit.js';

/** Signs people in to the dashboard, and out. */
@Controller('dashboard/session')
export class SessionController {
  constructor(
    private readonly callers: Callers,
    private readonly sessions: Sessions,
    private readonly limit: SignInLimit,
    private readonly audit: AuditLog,
  ) {}

  /** Signs in by a caller key or a JWT: sets a cookie. */
  @Post()
  @Open()
  @HttpCode(HttpStatus.NO_CONTENT)
  @Header('Cache-Control', 'no-store')
  async open(
    @Body(validated) { key }: SessionBody,
    @Req() request: CallerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const { ip } = request;
    this.limit.take(ip);
    const caller = await this.callers.authenticate(key);
    if (!caller) throw new Problem('unauthenticated', 'the caller key or JWT is unknown, wrong, revoked or expired');
    this.limit.forgive(ip);
    // The audit trail tells of whom it was that was refused.
    request.caller = caller;
    if (!mayWatch(caller)) throw new Problem('forbidden', 'this needs the role "ops"');
    const { sealed, endsAtMs } = await this.sessions.begin(key);
    if (endsAtMs <= Date.now()) throw new Problem('unauthenticated', 'the JWT has run out');
    if (!fitsIntoCookie(sealed)) {
      throw invalidRequest([
        { field: 'key', detail: 'must be shorter: browsers keep no cookie of more than 4096 bytes' },
      ]);
    }
    setSession(request, reply, sealed, endsAtMs - Date.now());
    const expiresAt = new Date(endsAtMs).toISOString();
    this.audit.write('session.opened', { by: caller.name, address: ip, expires_at: expiresAt });
  }

  /** Who is signed in, and until when. `expires_at` is absent if a key was shown, and no session. */
  @Get()
  @Needs('ops')
  @Header('Cache-Control', 'no-store')
  read(@Req() { caller, sessionEndsAtMs }: CallerRequest) {
    const expires_at = sessionEndsAtMs === undefined ? undefined : new Date(sessionEndsAtMs).toISOString();
    return { caller: caller.name, roles: caller.roles, expires_at };
  }

  /** Signs out: clears the cookie. There is nothing else that could be ended: whoever copied it is stopped by revoking the
   *  key. */
  @Delete()
  @Open()
  @HttpCode(HttpStatus.NO_CONTENT)
  @Header('Cache-Control', 'no-store')
  async close(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    const sealed = sessionIn(request);
    clearSession(request, reply);
    const session = sealed === undefined ? undefined : await this.sessions.find(sealed);
    if (session) this.audit.write('session.closed', { by: session.caller.name, address: request.ip });
  }
}
