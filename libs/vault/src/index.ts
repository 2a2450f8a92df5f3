export { ARCHIVE_LIMITS, readArchive } from './archive.js';
export { callerKeyId, callerKeyMatches, hashOfCallerKey, isCallerKey, newCallerKey } from './caller-key.js';
export {
  type CallerTerms,
  KEY_USE_NOTED_FOR_MS,
  noteKeyUse,
  replaceCaller,
  revokeKey,
  soleHolder,
} from './caller-edits.js';
export { CERTIFICATE_NAME_PATTERN } from './certificate-names.js';
export {
  addSecret,
  bySuitability,
  type ClientCredentials,
  importClient,
  type Moment,
  noteSecret,
  replaceClient,
  retireSecret,
  setEnabled,
} from './client-edits.js';
export type { FoundCredentials } from './credential-text.js';
export { DirectoryVaultStore } from './directory-vault-store.js';
export { VAULT_PURPOSE } from './edit.js';
export { VaultError, type VaultErrorCode } from './errors.js';
export { FileVaultStore } from './file-vault-store.js';
export { CLIENT_PATTERN, decide, type Grant, MERCHANT_PATTERN, type Refusal } from './grants.js';
export { KeyRing } from './key-ring.js';
export { keyUse } from './key-use.js';
export { MemoryVaultStore } from './memory-vault-store.js';
export { isName, NAME_PATTERN } from './names.js';
export {
  BASIC_ENCODINGS,
  type BasicEncoding,
  type CallerKeyRecord,
  type CallerRecord,
  type ClientRecord,
  type ClientSecret,
  type Environment,
  ENVIRONMENTS,
  type RecordKind,
  type Role,
  ROLES,
} from './records.js';
export { type Place, Sealer } from './sealer.js';
export { Secret } from './secret.js';
export { type CallerKeyShownOnce, type ChangedBy, type Expected, Vault } from './vault.js';
export type { Change, SealedRecord, VaultStore } from './vault-store.js';
