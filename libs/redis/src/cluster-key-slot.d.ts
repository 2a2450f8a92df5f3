declare module 'cluster-key-slot' {
  /** The slot of a key, 0 to 16383: CRC-16 over it, or over what stands in its braces. */
  export default function slotOf(key: string): number;
}
