import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  HttpStatus,
  Param,
  Patch,
  Post,
  Put,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { addSecret, type ClientRecord, replaceClient, retireSecret, Secret, setEnabled, Vault } from '#vault';

import { type CallerRequest, Needs } from '../http/caller.js';
import { setETag } from '../http/etag.js';
import { Problem } from '../http/problem.js';
import { validated, validatedQuery, validName } from '../http/validated.js';
import { Acts } from './acts.js';
import { ClientBody, ClientPatch, RetireQuery, SecretBody } from './client.dto.js';
import { shownClient } from './shown-client.js';
import { unopened } from './unopened.js';

/** Integrator clients: what MobilePay knows them by. Secrets go in and do not come out. */
@Controller('v1/clients')
@Needs('admin')
export class ClientsController {
  constructor(
    private readonly vault: Vault,
    private readonly acts: Acts,
  ) {}

  /** All clients. Never a secret. */
  @Get()
  list() {
    return {
      items: this.vault.clients.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(shownClient),
      // Sealed under a master key that the ring does not hold; written by a newer version.
      ...unopened(this.vault, 'client'),
    };
  }

  /** One client. */
  @Get(':name')
  get(@Param('name', validName) name: string, @Res({ passthrough: true }) reply: FastifyReply) {
    const record = this.vault.findClient(name);
    if (!record) throw notThere(name);
    return this.#shown(record, reply);
  }

  /** Creates or replaces a client: what is left out has its default, and does not stay as it was. */
  @Put(':name')
  async put(
    @Param('name', validName) name: string,
    @Body(validated) body: ClientBody,
    @Req() request: CallerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const isNew = this.vault.findClient(name) === undefined;
    const given = {
      name,
      environment: body.environment,
      clientId: body.client_id,
      clientSecret: new Secret(body.client_secret),
      // What a replacement leaves out has its default, and does not stay as it was.
      extraHeaders: body.extra_headers ?? {},
      basicEncoding: body.basic_encoding ?? 'plain',
      enabled: body.enabled ?? true,
    };
    const record = await this.acts.changeClient(request, 'replaced', name, (current, at) =>
      replaceClient(current, given, at),
    );
    void reply.code(isNew ? HttpStatus.CREATED : HttpStatus.OK);
    return this.#shown(record, reply);
  }

  /** Switches a client on or off. */
  @Patch(':name')
  async patch(
    @Param('name', validName) name: string,
    @Body(validated) { enabled }: ClientPatch,
    @Req() request: CallerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const record = await this.acts.changeClient(request, enabled ? 'enabled' : 'disabled', name, (current, at) =>
      setEnabled(there(current, name), enabled, at),
    );
    return this.#shown(record, reply);
  }

  /** Removes a client, with its secrets. */
  @Delete(':name')
  @HttpCode(HttpStatus.NO_CONTENT)
  async delete(@Param('name', validName) name: string, @Req() request: CallerRequest) {
    const remove = (current: ClientRecord | undefined) => void there(current, name);
    await this.acts.changeClient(request, 'deleted', name, remove);
  }

  /** Adds a second live secret, which is tried beside the first one. */
  @Post(':name/secrets')
  async addSecret(
    @Param('name', validName) name: string,
    @Body(validated) { client_secret }: SecretBody,
    @Req() request: CallerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const record = await this.acts.changeClient(request, 'secret_added', name, (current, at) =>
      addSecret(there(current, name), new Secret(client_secret), at),
    );
    return this.#shown(record, reply);
  }

  /** Retires a secret. The last one that is known to work goes only by `force`. */
  @Delete(':name/secrets/:fingerprint')
  async retireSecret(
    @Param('name', validName) name: string,
    @Param('fingerprint') fingerprint: string,
    @Query(validatedQuery) { force }: RetireQuery,
    @Req() request: CallerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const record = await this.acts.changeClient(request, 'secret_retired', name, (current, at) =>
      retireSecret(there(current, name), fingerprint, force === 'true', at),
    );
    return this.#shown(record, reply);
  }

  #shown(record: ClientRecord | undefined, reply: FastifyReply) {
    if (!record) throw new Problem('not_found', 'the client was deleted meanwhile');
    setETag(reply, this.vault.versionOf('client', record.name));
    return shownClient(record);
  }
}

function there(current: ClientRecord | undefined, name: string): ClientRecord {
  if (!current) throw notThere(name);
  return current;
}

function notThere(name: string): Problem {
  return new Problem('not_found', `there is no client ${name}`);
}
