import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';

import { type FieldError, invalidRequest } from './problem.js';

/** Checks a body against its class. Not for the hot route: it costs half of its speed. */
export const validated = new ValidationPipe({
  transform: true,
  whitelist: true,
  forbidNonWhitelisted: true,
  exceptionFactory: (errors) => invalidRequest(errors.flatMap((error) => fieldErrors(error, ''))),
});

function fieldErrors({ property, constraints, children }: ValidationError, parent: string): FieldError[] {
  // class-validator names no property if the whole body is of a wrong type.
  const field = `${parent}${property ?? 'body'}`;
  const own = Object.entries(constraints ?? {}).map(([rule, message]) => ({ field, detail: detailOf(rule, message) }));
  return [...own, ...(children ?? []).flatMap((child) => fieldErrors(child, `${field}.`))];
}

/** The message without the property's name, which stands in `field`. */
function detailOf(rule: string, message: string): string {
  if (rule === 'whitelistValidation') return 'is not a field of this request';
  if (rule === 'unknownValue') return 'must be a JSON object';
  return message.slice(Math.max(0, message.indexOf('must ')));
}
