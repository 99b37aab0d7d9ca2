/**
 * The page's few drawings.
 *
 * Law of this file: an icon says nothing to a screen reader; what stands beside it does.
 */

import type { ReactElement } from "react";

const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.500 20c.5-3.700 3-5.500 6.500-5.500s6 1.800 6.500 5.500M16 4.300a3.500 3.500 0 0 1 0 6.400M18 14.800c2 .7 3.200 2.400 3.500 5.200",
  settings: "M4 8h9M19 8h1M4 16h1M11 16h9M16 5.500v5M8 13.500v5",
  send: "M5 12l14-7-4.500 14.500L11 13z M11 13l8-8",
  down: "M12 5v14M6 13l6 6 6-6",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.500V12l3 2",
  check: "M5 12.500l4.500 4.500L19 7.500",
  warning: "M12 4L2.800 19.500h18.400zM12 10v4.500M12 17v.1",
  file: "M6 3h8l5 5v13H6zM14 3v5h5",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  reply: "M10 6L4 12l6 6M4 12h9c4 0 7 2 7 6",
  leave: "M14 4H5v16h9M10 12h10M16.500 8.500L20 12l-3.500 3.500",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4.500 4.500",
  offline: "M3 3l18 18M8.500 14a5 5 0 0 1 5.500-1M5 10.500a10 10 0 0 1 4-2.300M12.500 7.500A10 10 0 0 1 19 10.500M12 18.500v.1",
  keyboard: "M3 6h18v12H3zM7 10v.1M11 10v.1M15 10v.1M17 10v.1M8 14h8",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }): ReactElement {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.75"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
