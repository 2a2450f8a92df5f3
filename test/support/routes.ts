import 'reflect-metadata';

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { RequestMethod } from '@nestjs/common';

import { type Access, ACCESS } from '../../apps/broker/src/http/caller.js';
import { root } from './processes.js';

export interface Route {
  /** Such as `GET /v1/clients/:name`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** Absent if it does not say whom it serves. */
  readonly access: Access | undefined;
  readonly controller: Function;
  /** The name of its method. */
  readonly handler: string;
}

/** Every route of the broker, as its controllers declare them. */
export async function allRoutes(): Promise<Route[]> {
  const sources = join(root, 'apps/broker/src');
  const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.controller.ts'),
  );
  const routes: Route[] = [];
  // One after the other: Jest cannot link modules that import the same one at once.
  for (const path of files) {
    const exported = Object.values((await import(join(sources, path))) as Record<string, unknown>);
    routes.push(...exported.filter((value) => typeof value === 'function').flatMap(routesOf));
  }
  return routes;
}

function routesOf(controller: Function): Route[] {
  const prototype = controller.prototype as Record<string, unknown>;
  return Object.getOwnPropertyNames(prototype)
    .filter((name) => name !== 'constructor')
    .flatMap((name) => {
      const handler = prototype[name];
      if (typeof handler !== 'function' || !Reflect.hasMetadata('path', handler)) return [];
      const method = RequestMethod[Number(Reflect.getMetadata('method', handler))] ?? '';
      const access = (Reflect.getMetadata(ACCESS, handler) ?? Reflect.getMetadata(ACCESS, controller)) as
        Access | undefined;
      const parents = [Reflect.getMetadata('path', controller)].flat() as string[];
      const paths = [Reflect.getMetadata('path', handler)].flat() as string[];
      return parents.flatMap((parent) =>
        paths.map((own) => {
          const path = `/${[parent, own]
            .flatMap((part) => part.split('/'))
            .filter(Boolean)
            .join('/')}`;
          return { name: `${method} ${path}`, method, path, access, controller, handler: name };
        }),
      );
    });
}
