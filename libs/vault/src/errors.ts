/**
 * - `unreadable`: the store cannot be read, or what it holds is not a vault
 * - `wrong_key`: a record is sealed under a master key that the ring does not hold
 * - `newer`: a record, or all of a backup, is of a form that only a newer version reads; it is left as it is
 * - `damaged`: a record was changed, cut or moved since it was sealed
 * - `unwritable`: nothing was written
 * - `read_only`: the store is written by somebody else
 * - `conflict`: somebody else changed the record first; nothing was written
 * - `precondition`: the record is not of the version that the change was made from; nothing was written
 * - `not_found`: there is no such record
 * - `invalid`: what was given cannot be stored; the message says why, and `field` which part, in the words of the API
 * - `archive`: the archive cannot be read or holds no credentials; the message says why
 * - `backup`: the backup cannot be opened; nothing was touched
 */
export type VaultErrorCode =
  | 'unreadable'
  | 'wrong_key'
  | 'newer'
  | 'damaged'
  | 'unwritable'
  | 'read_only'
  | 'conflict'
  | 'precondition'
  | 'not_found'
  | 'invalid'
  | 'archive'
  | 'backup';

/** Everything the vault throws on purpose. Messages name records and files, never a value. */
export class VaultError extends Error {
  readonly field: string | undefined;

  constructor(
    readonly code: VaultErrorCode,
    message: string,
    options?: ErrorOptions & { readonly field?: string },
  ) {
    super(message, options);
    this.name = 'VaultError';
    this.field = options?.field;
  }
}
