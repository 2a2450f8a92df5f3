/** What clients and callers may be called. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/;

export function isName(text: string): boolean {
  return NAME_PATTERN.test(text);
}
