declare module 'fs-native-extensions' {
  /** Takes an exclusive lock of the operating system on an open file; it ends with the file descriptor or the process. */
  export function tryLock(fd: number): boolean;
  export function unlock(fd: number): void;
}
