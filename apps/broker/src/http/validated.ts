import { type ArgumentMetadata, type PipeTransform, ValidationPipe } from '@nestjs/common';
import { getMetadataStorage, Matches, ValidateIf, type ValidationError } from 'class-validator';

import { MERCHANT_VAT_PATTERN } from '#token';
import { isName, NAME_PATTERN } from '#vault';

import { type FieldError, invalidRequest, Problem } from './problem.js';

/** How deep the bodies that we read are nested at most, twice over. */
const DEEPEST = 8;

/** Checks a query or a body against its class. Not for the hot route: it costs half of its speed. */
class RequestPipe extends ValidationPipe {
  constructor(
    private readonly kind: string,
    private readonly whole = 'body',
  ) {
    super({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      // Names the class whose fields are known; the value stays out of it.
      validationError: { target: true, value: false },
      exceptionFactory: (errors) => invalidRequest(errors.flatMap((error) => fieldErrors(error, '', whole))),
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'body') this.#check(value);
    else this.#checkTame(value);
    return super.transform(value, metadata);
  }

  #check(value: unknown): void {
    if (value instanceof URLSearchParams) throw new Problem('unsupported_media_type', `send ${this.kind}`);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalidRequest([{ field: 'body', detail: `must be ${this.kind}` }]);
    }
    this.#checkTame(value);
  }

  #checkTame(value: unknown): void {
    if (typeof value === 'object' && value !== null && !isTame(value, DEEPEST)) {
      const detail = `must have no fields that every object has, and be nested no deeper than ${DEEPEST}`;
      throw invalidRequest([{ field: this.whole, detail }]);
    }
  }
}

export const validated = new RequestPipe('a JSON object');
export const validatedForm = new RequestPipe('multipart/form-data');
export const validatedQuery = new RequestPipe('a query', 'query');

/** For a field that may be absent. Unlike IsOptional, it does not take null for absent. */
export const IfGiven = (field: string) => ValidateIf((body: object) => Reflect.get(body, field) !== undefined);

export const IsClientName = () =>
  Matches(NAME_PATTERN, {
    message: '$property must be a client name: 1 to 63 characters of a-z, 0-9 and -, not starting with -',
  });

export const IsMerchantVat = () =>
  Matches(MERCHANT_VAT_PATTERN, { message: '$property must be DK or FI and 8 digits' });

/** Checks the name of a client or caller in a path. */
export const validName: PipeTransform<string, string> = {
  transform(name) {
    if (isName(name)) return name;
    const detail = 'must be 1 to 63 characters of a-z, 0-9 and -, not starting with -';
    throw invalidRequest([{ field: 'name', detail }]);
  },
};

/** class-transformer recurses until the stack ends, and drops fields such as `constructor` before they are checked. */
function isTame(value: object, depth: number): boolean {
  if (depth === 0) return false;
  return Object.entries(value).every(
    ([name, inner]) =>
      (Array.isArray(value) || !(name in Object.prototype)) &&
      (typeof inner !== 'object' || inner === null || isTame(inner, depth - 1)),
  );
}

/** @param whole what a field that should not be there stands in */
function fieldErrors(
  { property, constraints, children, target }: ValidationError,
  parent: string,
  whole: string,
): FieldError[] {
  const field = `${parent}${property}`;
  const own = Object.entries(constraints ?? {}).map(([rule, message]) =>
    rule === 'whitelistValidation'
      ? unknownField(target, parent.slice(0, -1) || whole)
      : { field, detail: detailOf(message) },
  );
  return [...own, ...(children ?? []).flatMap((child) => fieldErrors(child, `${field}.`, whole))];
}

/** Does not say its name: whoever mistakes the places may have put a secret there. */
function unknownField(target: object | undefined, field: string): FieldError {
  const known = getMetadataStorage().getTargetValidationMetadatas(target?.constructor ?? Object, '', true, false);
  const names = new Set(known.map(({ propertyName }) => propertyName));
  return { field, detail: `must have no other fields than ${[...names].join(', ')}` };
}

/** The message without the property's name, which stands in `field`. */
function detailOf(message: string): string {
  return message.slice(Math.max(0, message.indexOf('must ')));
}
