import { Body, Controller, Get, HttpStatus, Post, Res, UploadedFile, UseInterceptors, UsePipes } from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-fastify/multipart';
import type { FastifyReply } from 'fastify';

import { ARCHIVE_LIMITS, type ClientRecord, readArchive, Vault } from '#vault';

import { Needs } from '../http/caller.js';
import { invalidRequest } from '../http/problem.js';
import { validatedForm } from '../http/validated.js';
import { ImportBody } from './import.dto.js';
import { clientsFrom } from './import.js';

const UPLOAD_LIMITS = { fileSize: ARCHIVE_LIMITS.archiveBytes, files: 1, fields: 10, fieldSize: 16_384, parts: 12 };

@Controller('v1/clients')
@Needs('admin')
@UsePipes(validatedForm)
export class ClientsController {
  constructor(private readonly vault: Vault) {}

  @Get()
  list() {
    return { items: this.vault.clients.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(shown) };
  }

  /** Takes the password-locked zip that MobilePay sends, and keeps the credentials in it. */
  @Post('import')
  @UseInterceptors(FileInterceptor('archive', { limits: UPLOAD_LIMITS }))
  async import(
    @UploadedFile() archive: { buffer: Buffer } | undefined,
    @Body() { password, name, environment, dry_run }: ImportBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    if (!archive) throw invalidRequest([{ field: 'archive', detail: 'must be a file: the zip as it came' }]);
    const found = await readArchive(archive.buffer, password);
    const clients = clientsFrom(found, { name, environment }, this.vault);
    if (dry_run === 'true') {
      void reply.code(HttpStatus.OK);
      return {
        items: clients.map(({ name: each, environment: where, clientId }) => ({
          name: each,
          environment: where,
          client_id: clientId,
        })),
        stored: false,
      };
    }
    const known = clients.every((client) => this.vault.findClient(client.name) !== undefined);
    const records = await this.vault.saveClients(clients);
    void reply.code(known ? HttpStatus.OK : HttpStatus.CREATED);
    return { items: records.map(shown), stored: true };
  }
}

function shown({ name, environment, clientId, secrets, enabled, generation, createdAt, updatedAt }: ClientRecord) {
  return {
    name,
    environment,
    client_id: clientId,
    secrets: secrets.map(({ secret, addedAt }) => ({ fingerprint: secret.fingerprint, added_at: addedAt })),
    enabled,
    generation,
    created_at: createdAt,
    updated_at: updatedAt,
  };
}
