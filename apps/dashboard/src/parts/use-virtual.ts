import {
  elementScroll,
  defaultRangeExtractor,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from '@tanstack/virtual-core';
import { useEffect, useLayoutEffect, useReducer, useState } from 'preact/hooks';

interface VirtualOptions {
  readonly count: number;
  readonly rowHeight: number;
  /** What covers the upper edge, in px. */
  readonly headHeight: number;
  readonly scroller: () => HTMLElement | null;
  /** This row stays in the document wherever it is: it has the focus, which would be lost with it. */
  readonly kept: number;
}

/** Only the rows that are seen are in the document. */
export function useVirtual({ count, rowHeight, headHeight, scroller, kept }: VirtualOptions) {
  const [, redraw] = useReducer((times: number) => times + 1, 0);
  const options = {
    count,
    getScrollElement: scroller,
    estimateSize: () => rowHeight,
    overscan: 8,
    scrollPaddingStart: headHeight,
    paddingStart: 0,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => redraw(undefined),
    rangeExtractor: (range: Parameters<typeof defaultRangeExtractor>[0]) => {
      const seen = defaultRangeExtractor(range);
      if (kept < 0 || kept >= count || seen.includes(kept)) return seen;
      return kept < (seen[0] ?? 0) ? [kept, ...seen] : [...seen, kept];
    },
  };
  const [virtualizer] = useState(() => new Virtualizer<HTMLElement, HTMLElement>(options));
  virtualizer.setOptions(options);
  useEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  useLayoutEffect(() => virtualizer.measure(), [rowHeight]);
  return virtualizer;
}
