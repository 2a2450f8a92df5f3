import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post, Put, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { type CallerRecord, replaceCaller, revokeKey, Vault } from '#vault';

import { Needs } from '../http/caller.js';
import { expectedBy, setETag } from '../http/etag.js';
import { Problem } from '../http/problem.js';
import { validated, validName } from '../http/validated.js';
import { CallerBody, CallerKeyBody, CallerPatch } from './caller.dto.js';

/** Who may call, and their keys. A key is shown once; only its hash is kept. */
@Controller('v1/callers')
@Needs('admin')
export class CallersController {
  constructor(private readonly vault: Vault) {}

  @Get()
  list() {
    return { items: this.vault.callers.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(shown) };
  }

  @Get(':name')
  get(@Param('name', validName) name: string, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.#shown(this.vault.findCaller(name), name, reply);
  }

  @Put(':name')
  async put(
    @Param('name', validName) name: string,
    @Body(validated) { roles, grants }: CallerBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const isNew = this.vault.findCaller(name) === undefined;
    const given = { roles, grants: plain(grants) };
    const caller = await this.vault.changeCaller(
      name,
      (current, at) => replaceCaller(current, name, given, at),
      expectedBy(request),
    );
    void reply.code(isNew ? HttpStatus.CREATED : HttpStatus.OK);
    return this.#shown(caller, name, reply);
  }

  @Patch(':name')
  async patch(
    @Param('name', validName) name: string,
    @Body(validated) { roles, grants }: CallerPatch,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const caller = await this.vault.changeCaller(
      name,
      (current, at) => {
        const known = there(current, name);
        const given = { roles: roles ?? known.roles, grants: grants ? plain(grants) : known.grants };
        return replaceCaller(known, name, given, at);
      },
      expectedBy(request),
    );
    return this.#shown(caller, name, reply);
  }

  @Delete(':name')
  @HttpCode(HttpStatus.NO_CONTENT)
  async delete(@Param('name', validName) name: string, @Req() request: FastifyRequest) {
    const remove = (current: CallerRecord | undefined) => void there(current, name);
    await this.vault.changeCaller(name, remove, expectedBy(request));
  }

  @Post(':name/keys')
  async addKey(
    @Param('name', validName) name: string,
    @Body(validated) { expires_in }: CallerKeyBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { id, key, expiresAt } = await this.vault.addCallerKey(name, expires_in);
    void reply.header('Cache-Control', 'no-store');
    return { id, key: key.reveal(), expires_at: expiresAt };
  }

  @Delete(':name/keys/:id')
  @HttpCode(HttpStatus.NO_CONTENT)
  async revokeKey(@Param('name', validName) name: string, @Param('id') id: string) {
    await this.vault.changeCaller(name, (current, at) => revokeKey(there(current, name), id, at));
  }

  #shown(caller: CallerRecord | undefined, name: string, reply: FastifyReply) {
    setETag(reply, this.vault.versionOf('caller', name));
    return shown(there(caller, name));
  }
}

function there(current: CallerRecord | undefined, name: string): CallerRecord {
  if (!current) throw new Problem('not_found', `there is no caller ${name}`);
  return current;
}

/** The grants without the class that read them. */
function plain(grants: CallerBody['grants']) {
  return grants.map(({ client, merchants, unrestricted }) => ({ client, merchants, unrestricted }));
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
