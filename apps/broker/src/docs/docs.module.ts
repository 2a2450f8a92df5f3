import { join } from 'node:path';

import { Module } from '@nestjs/common';

import { BuiltFiles } from '../http/built-files.js';
import { DocsController } from './docs.controller.js';

/** Where the build puts it: `dist/apps/docs`. */
const FOLDER = join(import.meta.dirname, '../../../docs');

@Module({
  controllers: [DocsController],
  providers: [{ provide: BuiltFiles, useFactory: () => new BuiltFiles(FOLDER) }],
})
export class DocsModule {}
