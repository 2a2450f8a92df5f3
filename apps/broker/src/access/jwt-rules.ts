import type { JwtCallerRule } from '../config/broker-config.js';
import type { VerifiedJwt } from './jwt-verification.js';

/** The name of the caller that a JWT speaks for, by the first rule that matches; undefined if none does. */
export function callerNameOf({ subject, claims }: VerifiedJwt, rules: readonly JwtCallerRule[]): string | undefined {
  return rules.find(
    (rule) =>
      matches(rule.subject, subject) &&
      Object.entries(rule.claims).every(([pointer, text]) => [valueAt(claims, pointer)].flat().includes(text)),
  )?.caller;
}

function matches(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

/** What a JSON pointer points at (RFC 6901 §4); undefined if nothing is there. */
function valueAt(document: unknown, pointer: string): unknown {
  let value = document;
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}
