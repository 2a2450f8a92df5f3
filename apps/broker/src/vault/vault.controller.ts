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

import { Vault, VaultError, type VaultErrorCode } from '#vault';

import { type CallerRequest, Needs } from '../http/caller.js';
import { invalidRequest } from '../http/problem.js';
import { Acts } from './acts.js';

/** How a restore fails that has not begun to write. */
const NOTHING_TOUCHED: ReadonlySet<VaultErrorCode> = new Set(['backup', 'newer', 'read_only', 'conflict']);
const BACKUP_LIMITS = { fileSize: 16_777_216, files: 1, fields: 0, parts: 1 };

/** The vault as a whole: its master keys, and its backup. */
@Controller('v1/vault')
@Needs('admin')
export class VaultController {
  constructor(
    private readonly vault: Vault,
    private readonly acts: Acts,
  ) {}

  /** Seals every record under the newest master key. Whoever hangs up stops it; whoever calls again goes on. */
  @Post('rekey')
  @HttpCode(HttpStatus.OK)
  rekey(@Req() request: CallerRequest) {
    const before = this.vault.outdated;
    const progress = () => ({ resealed: before - this.vault.outdated, left: this.vault.outdated });
    const rekey = async () => {
      while (this.vault.outdated > 0 && !request.raw.socket.destroyed) await this.vault.rekeyOne();
      // The master key of each of these is still needed.
      const { locked, newer } = this.vault;
      return { ...progress(), locked: [...locked.keys()], ...(newer.size > 0 && { newer: [...newer.keys()] }) };
    };
    const tell = () => ({ ...progress(), locked: this.vault.locked.size });
    // One record after the other: what came before a failure stays.
    return this.acts.actOnVault(request, 'rekeyed', rekey, tell, () => progress().resealed > 0);
  }

  /** Everything, sealed under the newest master key. */
  @Get('backup')
  @Header('Cache-Control', 'no-store')
  @Header('Content-Type', 'application/jose')
  @Header('Content-Disposition', 'attachment; filename="token-broker-vault.jwe"')
  backup(@Req() request: CallerRequest) {
    return this.acts.actOnVault(request, 'backed_up', () => this.vault.backup());
  }

  /** Replaces everything by what a backup holds. */
  @Post('restore')
  @HttpCode(HttpStatus.OK)
  @UseInterceptors(FileInterceptor('backup', { limits: BACKUP_LIMITS }))
  restore(@Req() request: CallerRequest, @UploadedFile() backup: { buffer: Buffer } | undefined) {
    if (!backup) throw invalidRequest([{ field: 'backup', detail: 'must be a file: the backup as it was made' }]);
    const restore = () => this.vault.restore(backup.buffer.toString('latin1'));
    // After the write, all may still fail to be read again.
    const mayBeWritten = (error: unknown) => !(error instanceof VaultError && NOTHING_TOUCHED.has(error.code));
    return this.acts.actOnVault(request, 'restored', restore, (done) => done ?? {}, mayBeWritten);
  }
}
