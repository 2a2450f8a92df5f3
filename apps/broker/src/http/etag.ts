import type { FastifyReply, FastifyRequest } from 'fastify';

import type { Expected } from '#vault';

import { invalidRequest } from './problem.js';

/** Versions as entity tags (RFC 9110 §8.8.3), and what a change may start from by `If-Match` and `If-None-Match`. */
export function setETag(reply: FastifyReply, version: number | undefined): void {
  if (version !== undefined) void reply.header('ETag', `"${version}"`);
}

/** @throws Problem if a header is neither `*` nor one tag of ours */
export function expectedBy({ headers }: FastifyRequest): Expected {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match !== undefined && noneMatch !== undefined) throw wrong('If-Match', 'must not be sent with If-None-Match');
  if (noneMatch !== undefined) {
    if (noneMatch !== '*') throw wrong('If-None-Match', 'must be *');
    return 'absent';
  }
  if (match === undefined) return 'any';
  if (match === '*') return 'present';
  const [, version] = /^"(\d{1,15})"$/.exec(match) ?? [];
  if (version === undefined) throw wrong('If-Match', 'must be * or the ETag that came with the record');
  return Number(version);
}

function wrong(field: string, detail: string) {
  return invalidRequest([{ field, detail }]);
}
