import { join } from 'node:path';

import { Logger, Module, type OnModuleInit } from '@nestjs/common';

import { AccessModule } from '../access/access.module.js';
import { BuiltFiles } from '../http/built-files.js';
import { DashboardController } from './dashboard.controller.js';
import { SessionController } from './session.controller.js';
import { SignInLimit } from './sign-in-limit.js';

/** Where the build puts it: `dist/apps/dashboard`. */
const FOLDER = join(import.meta.dirname, '../../../dashboard');

@Module({
  imports: [AccessModule],
  controllers: [SessionController, DashboardController],
  providers: [SignInLimit, { provide: BuiltFiles, useFactory: () => new BuiltFiles(FOLDER) }],
})
export class DashboardModule implements OnModuleInit {
  constructor(private readonly files: BuiltFiles) {}

  /** Not before: until then nobody hears the log. */
  onModuleInit(): void {
    const { missing } = this.files;
    if (missing !== undefined) new Logger('dashboard').warn({ event: 'dashboard_not_built', reason: missing });
  }
}
