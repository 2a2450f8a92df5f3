import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { SESSION_COOKIE } from '../../../apps/broker/src/access/session-cookie.js';
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

const RETRY_AFTER = {
  'Retry-After': { description: 'Seconds, where waiting helps.', schema: { type: 'integer' } },
};
const challenge = (scheme: string) => ({
  'WWW-Authenticate': { description: `With 401: ${scheme}.`, schema: { type: 'string' } },
});

/** The OpenAPI document of the broker, made from its code: routes and roles from what its controllers declare, bodies and
 *  queries from the classes that they are checked against, answers from the types of what is returned, words from
 *  docstrings. */
export async function openApiDocument(): Promise<Schema> {
  const routes = (await allRoutes()).filter(({ name }) => !NOT_DESCRIBED.includes(name));
  const sources = new Sources();
  const bodies = new Bodies(sources);
  const operations = new Operations(sources, bodies);
  // What the stream of the status sends.
  sources.named('StatusNow');
  const paths: Record<string, Record<string, Schema>> = {};
  for (const route of routes.toSorted(byPath)) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[route.method.toLowerCase()] = operations.of(route);
  }
  const tags = [...new Set(routes.map(({ path }) => tagOf(path)))].toSorted();
  const schemas = [BY_HAND, bodies.components, sources.schemas.components].flatMap((each) => Object.entries(each));
  const twice = schemas.find(([name], i) => schemas.findIndex(([other]) => other === name) !== i);
  if (twice) throw new Error(`two schemas are called ${twice[0]}`);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Token broker',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Access tokens for MobilePay, one refresh per client and merchant. All JSON is snake_case; answers may have more ' +
        'members in later versions. Each answer has an `x-correlation-id`: that of the request, if it had one that can be ' +
        'repeated.',
    },
    servers: [{ url: '.', description: 'Where this document comes from.' }],
    tags: tags.map((name) => ({ name, description: described(name) })),
    paths,
    components: {
      schemas: Object.fromEntries(schemas.toSorted(([a], [b]) => (a < b ? -1 : 1))),
      responses: {
        Problem: {
          description: 'A problem document (RFC 9457).',
          headers: { ...RETRY_AFTER, ...challenge('Bearer') },
          content: { 'application/problem+json': { schema: refTo('Problem') } },
        },
        OAuthError: {
          description: 'An error of RFC 6749 §5.2.',
          headers: { ...RETRY_AFTER, ...challenge('Basic') },
          content: { 'application/json': { schema: refTo('OAuthError') } },
        },
      },
      securitySchemes: {
        caller: {
          type: 'http',
          scheme: 'bearer',
          description: 'A caller key, `tbk_…`, or a JWT of a configured issuer.',
        },
        client: {
          type: 'http',
          scheme: 'basic',
          description: 'The client’s name in the vault, and the caller’s key or JWT. Or both in the form.',
        },
        certificate: { type: 'mutualTLS', description: 'A certificate with a name that a caller has, without a key.' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: SESSION_COOKIE,
          description:
            'Of somebody signed in to the dashboard. What changes something needs `x-token-broker: dashboard`.',
        },
      },
    },
  };
}

function described(tag: string): string {
  const text = TAGS[tag];
  if (text === undefined) throw new Error(`nothing is said of ${tag}`);
  return text;
}

function byPath(a: Route, b: Route): number {
  return a.path === b.path ? (a.method < b.method ? -1 : 1) : a.path < b.path ? -1 : 1;
}
