import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from '../processes.js';
import { allRoutes, type Route } from '../routes.js';
import { Bodies } from './bodies.js';
import { BY_HAND, TAGS } from './by-hand.js';
import { Operations, refTo, tagOf } from './operations.js';
import type { Schema } from './schema.js';
import { Sources } from './sources.js';

/** Pages, and what belongs to them. */
export const NOT_DESCRIBED = ['GET /dashboard', 'GET /dashboard/*', 'GET /docs', 'GET /openapi.json'];

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/** The OpenAPI document of the broker, made from its code: routes and roles from what its controllers declare, bodies and
 *  queries from the classes that they are checked against, answers from the types of what is returned, words from
 *  docstrings. */
export async function openApiDocument(): Promise<Schema> {
  const routes = (await allRoutes()).filter(({ name }) => !NOT_DESCRIBED.includes(name));
  const sources = new Sources();
  const bodies = new Bodies(sources);
  const operations = new Operations(sources, bodies);
  const paths: Record<string, Record<string, Schema>> = {};
  for (const route of routes.toSorted(byPath)) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[route.method.toLowerCase()] = operations.of(route);
  }
  const tags = [...new Set(routes.map(({ path }) => tagOf(path)))].toSorted();
  const schemas = { ...BY_HAND, ...bodies.components, ...sources.schemas.components };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Token broker',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Access tokens for MobilePay, one refresh per client and merchant. All JSON is snake_case; answers may have more ' +
        'members in later versions. Each answer has an `x-correlation-id`: that of the request, if it had one.',
    },
    servers: [{ url: '/' }],
    tags: tags.map((name) => ({ name, description: TAGS[name] })),
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      responses: {
        Problem: {
          description: 'A problem document (RFC 9457).',
          content: { 'application/problem+json': { schema: refTo('Problem') } },
        },
        OAuthError: {
          description: 'An error of RFC 6749 §5.2.',
          content: { 'application/json': { schema: refTo('OAuthError') } },
        },
      },
      securitySchemes: {
        caller: {
          type: 'http',
          scheme: 'bearer',
          description: 'A caller key, `tbk_…`, or a JWT of a configured issuer.',
        },
        client: { type: 'http', scheme: 'basic', description: 'The client’s name in the vault, and the caller’s key.' },
      },
    },
  };
}

function byPath(a: Route, b: Route): number {
  return a.path === b.path ? (a.method < b.method ? -1 : 1) : a.path < b.path ? -1 : 1;
}
