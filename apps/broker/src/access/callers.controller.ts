import { Body, Controller, HttpStatus, Param, Post, Put, Res, UsePipes } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { type CallerRecord, Vault } from '#vault';

import { Needs } from '../http/caller.js';
import { validated, validName } from '../http/validated.js';
import { CallerBody, CallerKeyBody } from './caller.dto.js';

@Controller('v1/callers')
@Needs('admin')
@UsePipes(validated)
export class CallersController {
  constructor(private readonly vault: Vault) {}

  @Put(':name')
  async put(
    @Param('name', validName) name: string,
    @Body() { roles, grants }: CallerBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const known = this.vault.findCaller(name) !== undefined;
    const caller = await this.vault.saveCaller(
      name,
      roles,
      grants.map(({ client, merchants, unrestricted }) => ({ client, merchants, unrestricted })),
    );
    void reply.code(known ? HttpStatus.OK : HttpStatus.CREATED);
    return shown(caller);
  }

  @Post(':name/keys')
  async addKey(
    @Param('name', validName) name: string,
    @Body() { expires_in }: CallerKeyBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { id, key, expiresAt } = await this.vault.addCallerKey(name, expires_in);
    void reply.header('Cache-Control', 'no-store');
    return { id, key: key.reveal(), expires_at: expiresAt };
  }
}

function shown({ name, roles, grants, keys, createdAt, updatedAt }: CallerRecord) {
  return {
    name,
    roles,
    grants,
    keys: keys.map(({ id, createdAt: created_at, expiresAt: expires_at }) => ({ id, created_at, expires_at })),
    created_at: createdAt,
    updated_at: updatedAt,
  };
}
