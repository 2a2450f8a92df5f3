import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/**
 * Keeps the focus on a row of the table: a row that changes places is taken out of the document and put back, which loses
 * it, and one that is scrolled to is there only after the next drawing.
 */
export function useKeptFocus(table: RefObject<HTMLElement | null>, index: number) {
  const isWanted = useRef(false);
  const isDrawing = useRef(false);
  isDrawing.current = true;
  useLayoutEffect(() => {
    isDrawing.current = false;
    const row = table.current?.querySelector<HTMLElement>(`[data-index="${index}"]`);
    if (isWanted.current && row && row !== document.activeElement) row.focus({ preventScroll: true });
  });
  return {
    want: () => {
      isWanted.current = true;
    },
    /** Somebody went elsewhere, unless it was the drawing that took it away. */
    lost: () => {
      if (!isDrawing.current) isWanted.current = false;
    },
  };
}
