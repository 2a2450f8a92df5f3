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

import {
  type CallerRecord,
  type ClientRecord,
  decide,
  type Refusal,
  replaceCaller,
  revokeKey,
  soleHolder,
  Vault,
} from '#vault';

import { type CallerRequest, Needs } from '../http/caller.js';
import { setETag } from '../http/etag.js';
import { Problem } from '../http/problem.js';
import { validated, validatedQuery, validName } from '../http/validated.js';
import { Acts } from '../vault/acts.js';
import { unopened } from '../vault/unopened.js';
import { CallerBody, CallerKeyBody, CallerPatch, CanQuery } from './caller.dto.js';
import { Callers } from './callers.js';
import { shownCaller } from './shown-caller.js';

const WHY_NOT: Readonly<Record<Refusal, string>> = {
  role: 'the caller does not have the role "token"',
  client: 'no grant names the client',
  merchant: 'a grant names the client, but none the merchant',
  unrestricted: 'a grant names the client, but none allows tokens bound to no merchant',
};

/** Who may call, and their keys. A key is shown once; only its hash is kept. */
@Controller('v1/callers')
@Needs('admin')
export class CallersController {
  readonly #lastUseOf = (id: string) => this.callers.lastUseOf(id);

  constructor(
    private readonly vault: Vault,
    private readonly callers: Callers,
    private readonly acts: Acts,
  ) {}

  /** All callers. Never a key. */
  @Get()
  list() {
    return {
      items: this.vault.callers
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map((each) => shownCaller(each, this.#lastUseOf)),
      ...unopened(this.vault, 'caller'),
    };
  }

  /** One caller. */
  @Get(':name')
  get(@Param('name', validName) name: string, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.#shown(this.vault.findCaller(name), name, reply);
  }

  /** Whether the caller may have a token, and which grant says so; for an admin, whether the client is there as well. */
  @Get(':name/can')
  can(@Param('name', validName) name: string, @Query(validatedQuery) { client, merchant_vat }: CanQuery) {
    const decision = decide(there(this.vault.findCaller(name), name), client, merchant_vat);
    const record = this.vault.findClient(client);
    return {
      caller: name,
      client,
      merchant_vat,
      allowed: typeof decision !== 'string',
      why: typeof decision === 'string' ? WHY_NOT[decision] : 'this grant allows it',
      grant: typeof decision === 'string' ? null : decision,
      client_state: stateOf(record),
    };
  }

  /** Creates or replaces a caller: what is left out has its default; its keys stay. */
  @Put(':name')
  async put(
    @Param('name', validName) name: string,
    @Body(validated) { roles, grants, certificate_names: certificateNames }: CallerBody,
    @Req() request: CallerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const isNew = this.vault.findCaller(name) === undefined;
    const given = { roles, grants: plain(grants), certificateNames };
    const caller = await this.acts.changeCaller(request, 'replaced', name, (current, at) =>
      soleHolder(replaceCaller(current, name, given, at), this.vault.callers),
    );
    void reply.code(isNew ? HttpStatus.CREATED : HttpStatus.OK);
    return this.#shown(caller, name, reply);
  }

  /** Changes what is given of a caller; the rest stays. */
  @Patch(':name')
  async patch(
    @Param('name', validName) name: string,
    @Body(validated) { roles, grants, certificate_names }: CallerPatch,
    @Req() request: CallerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const caller = await this.acts.changeCaller(request, 'changed', name, (current, at) => {
      const known = there(current, name);
      const given = {
        roles: roles ?? known.roles,
        grants: grants ? plain(grants) : known.grants,
        certificateNames: certificate_names ?? known.certificateNames,
      };
      return soleHolder(replaceCaller(known, name, given, at), this.vault.callers);
    });
    return this.#shown(caller, name, reply);
  }

  /** Removes a caller, with its keys. */
  @Delete(':name')
  @HttpCode(HttpStatus.NO_CONTENT)
  async delete(@Param('name', validName) name: string, @Req() request: CallerRequest) {
    const remove = (current: CallerRecord | undefined) => void there(current, name);
    await this.acts.changeCaller(request, 'deleted', name, remove);
  }

  /** Makes a key. It is shown in this answer alone. */
  @Post(':name/keys')
  async addKey(
    @Param('name', validName) name: string,
    @Body(validated) { expires_in }: CallerKeyBody,
    @Req() request: CallerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { id, key, expiresAt } = await this.acts.addCallerKey(request, name, expires_in);
    void reply.header('Cache-Control', 'no-store');
    return { id, key: key.reveal(), expires_at: expiresAt };
  }

  /** Revokes a key. */
  @Delete(':name/keys/:id')
  @HttpCode(HttpStatus.NO_CONTENT)
  async revokeKey(@Param('name', validName) name: string, @Param('id') id: string, @Req() request: CallerRequest) {
    await this.acts.changeCaller(request, 'key_revoked', name, (current, at) =>
      revokeKey(there(current, name), id, at),
    );
  }

  #shown(caller: CallerRecord | undefined, name: string, reply: FastifyReply) {
    setETag(reply, this.vault.versionOf('caller', name));
    return shownCaller(there(caller, name), this.#lastUseOf);
  }
}

function stateOf(client: ClientRecord | undefined): 'enabled' | 'disabled' | 'unknown' {
  return client ? (client.enabled ? 'enabled' : 'disabled') : 'unknown';
}

function there(current: CallerRecord | undefined, name: string): CallerRecord {
  if (!current) throw new Problem('not_found', `there is no caller ${name}`);
  return current;
}

/** The grants without the class that read them. */
function plain(grants: CallerBody['grants']) {
  return grants.map(({ client, merchants, unrestricted }) => ({ client, merchants, unrestricted }));
}
