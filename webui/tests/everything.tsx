/** In place of the virtual list, which needs a browser that lays out: one that draws every row. */

import { type ComponentType, type ReactElement, type Ref, useImperativeHandle } from "react";

interface Props {
  readonly ref?: Ref<unknown>;
  readonly scrollerRef: (element: HTMLElement | null) => void;
  readonly firstItemIndex: number;
  readonly totalCount: number;
  readonly itemContent: (index: number) => ReactElement;
  readonly computeItemKey: (index: number) => string | number;
  readonly context: unknown;
  readonly components: { readonly Header: ComponentType<{ context: unknown }> };
  readonly role: string;
  readonly "aria-label": string;
}

export function Virtuoso({ ref, scrollerRef, firstItemIndex, totalCount, itemContent, computeItemKey, context, components, role, ...rest }: Props): ReactElement {
  useImperativeHandle(ref, () => ({ scrollToIndex: () => {}, scrollIntoView: () => {} }));
  const indices = Array.from({ length: totalCount }, (_, index) => firstItemIndex + index);
  return (
    <div ref={scrollerRef} role={role} aria-label={rest["aria-label"]}>
      <components.Header context={context} />
      {indices.map((index) => (
        <div key={computeItemKey(index)} data-item-index={index}>
          {itemContent(index)}
        </div>
      ))}
    </div>
  );
}
