import {
  Controller,
  Get,
  Header,
  HttpCode,
  HttpStatus,
  Post,
  Req,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-fastify/multipart';
import type { FastifyRequest } from 'fastify';

import { Vault } from '#vault';

import { Needs } from '../http/caller.js';
import { invalidRequest } from '../http/problem.js';

const BACKUP_LIMITS = { fileSize: 16_777_216, files: 1, fields: 0, parts: 1 };

/** The vault as a whole: its master keys, and its backup. */
@Controller('v1/vault')
@Needs('admin')
export class VaultController {
  constructor(private readonly vault: Vault) {}

  /** Seals every record under the newest master key. Whoever hangs up stops it; whoever calls again goes on. */
  @Post('rekey')
  @HttpCode(HttpStatus.OK)
  async rekey(@Req() { raw }: FastifyRequest) {
    const before = this.vault.outdated;
    while (this.vault.outdated > 0 && !raw.socket.destroyed) await this.vault.rekeyOne();
    const { outdated, locked } = this.vault;
    return { resealed: before - outdated, left: outdated, locked: [...locked.keys()] };
  }

  /** Everything, sealed under the newest master key. */
  @Get('backup')
  @Header('Cache-Control', 'no-store')
  @Header('Content-Type', 'application/jose')
  @Header('Content-Disposition', 'attachment; filename="token-broker-vault.jwe"')
  backup() {
    return this.vault.backup();
  }

  /** Replaces everything by what a backup holds. */
  @Post('restore')
  @HttpCode(HttpStatus.OK)
  @UseInterceptors(FileInterceptor('backup', { limits: BACKUP_LIMITS }))
  async restore(@UploadedFile() backup: { buffer: Buffer } | undefined) {
    if (!backup) throw invalidRequest([{ field: 'backup', detail: 'must be a file: the backup as it was made' }]);
    return this.vault.restore(backup.buffer.toString('latin1'));
  }
}
