import { Body, Controller, HttpStatus, Post, Req, Res, UploadedFile, UseInterceptors } from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-fastify/multipart';
import type { FastifyReply } from 'fastify';

import { IssuerError } from '#token';
import { ARCHIVE_LIMITS, type ClientCredentials, readArchive, Vault } from '#vault';

import { type CallerRequest, Needs } from '../http/caller.js';
import { invalidRequest } from '../http/problem.js';
import { validatedForm } from '../http/validated.js';
import { originOf } from '../tracing/call-origin.js';
import { Grants } from '../upstream/grants.js';
import { Acts } from './acts.js';
import { ImportBody } from './import.dto.js';
import { clientsFrom } from './import.js';
import { shownClient } from './shown-client.js';

/** What an import would do. */
type Effect = 'created' | 'unchanged' | 'secret_added' | 'replaced';

const UPLOAD_LIMITS = { fileSize: ARCHIVE_LIMITS.archiveBytes, files: 1, fields: 10, fieldSize: 16_384, parts: 12 };

/** Takes the password-locked zip that MobilePay sends, and keeps the credentials in it. */
@Controller('v1/clients')
@Needs('admin')
export class ImportController {
  constructor(
    private readonly vault: Vault,
    private readonly grants: Grants,
    private readonly acts: Acts,
  ) {}

  /** Takes the password-locked zip that MobilePay sends: all of its clients, or none. `dry_run` shows what would be stored;
   *  `test` has MobilePay give a token for each before any is stored. */
  @Post('import')
  @UseInterceptors(FileInterceptor('archive', { limits: UPLOAD_LIMITS }))
  async import(
    @UploadedFile() archive: { buffer: Buffer } | undefined,
    @Body(validatedForm) { password, name, environment, dry_run, test }: ImportBody,
    @Req() request: CallerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    if (!archive) throw invalidRequest([{ field: 'archive', detail: 'must be a file: the zip as it came' }]);
    const found = await readArchive(archive.buffer, password).finally(() => archive.buffer.fill(0));
    const clients = clientsFrom(found, { name, environment }, this.vault);
    // Before MobilePay is asked, or a dry run promises what would be refused.
    for (const each of clients) this.vault.refuseIfUnopened('client', each.name);
    if (dry_run === 'true') {
      void reply.code(HttpStatus.OK);
      return { items: clients.map((each) => this.#wouldBe(each)), stored: false as const };
    }
    // All or none: one that MobilePay refuses keeps the others out as well.
    if (test === 'true') await Promise.all(clients.map((each) => this.#test(request, each)));
    const known = clients.every((client) => this.vault.findClient(client.name) !== undefined);
    const records = await this.acts.importClients(request, clients);
    void reply.code(known ? HttpStatus.OK : HttpStatus.CREATED);
    return { items: records.map(shownClient), stored: true as const };
  }

  #wouldBe({ name, environment, clientId, clientSecret }: ClientCredentials) {
    const current = this.vault.findClient(name);
    const { fingerprint } = clientSecret;
    const isKnown = current?.secrets.some(({ secret }) => secret.fingerprint === fingerprint) === true;
    const effect: Effect = !current
      ? 'created'
      : isKnown
        ? 'unchanged'
        : current.clientId === clientId
          ? 'secret_added'
          : 'replaced';
    return { name, environment, client_id: clientId, fingerprint, effect };
  }

  /** @throws IssuerError if MobilePay does not give a token for it */
  async #test(request: CallerRequest, { name, environment, clientId, clientSecret }: ClientCredentials) {
    // As it would be stored: a known client keeps how it shows itself.
    const { basicEncoding = 'plain', extraHeaders = {} } = this.vault.findClient(name) ?? {};
    const credentials = { clientId, clientSecret, basicEncoding, extraHeaders };
    const { fingerprint } = clientSecret;
    try {
      await this.grants.request(credentials, {
        tokenUrl: this.grants.urlOf(environment),
        origin: originOf(request),
      });
      this.acts.writeTest(request, name, [{ fingerprint, accepted: true }]);
    } catch (error) {
      const code = error instanceof IssuerError ? error.code : 'internal_error';
      this.acts.writeTest(request, name, [{ fingerprint, accepted: false, code }]);
      throw error;
    }
  }
}
