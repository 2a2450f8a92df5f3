/** Where class-transformer keeps what decorators have said: it ships this module, and types of another place. */
declare module 'class-transformer/cjs/storage.js' {
  export { defaultMetadataStorage } from 'class-transformer/types/storage.js';
}
