/** What jsdom has not, and the page needs. */

import { cleanup } from "@testing-library/react";
import { afterEach, vi } from "vitest";

afterEach(() => {
  cleanup();
  localStorage.clear();
  sessionStorage.clear();
  location.hash = "";
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

window.matchMedia ??= (query: string): MediaQueryList =>
  ({
    matches: query.includes("min-width"),
    media: query,
    addEventListener: () => {},
    removeEventListener: () => {},
  }) as unknown as MediaQueryList;

HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement): void {
  this.open = true;
};
globalThis.CSS ??= {} as typeof CSS;
CSS.supports ??= () => true;
globalThis.ResizeObserver ??= class {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
} as unknown as typeof ResizeObserver;
Element.prototype.scrollTo ??= vi.fn() as never;
Element.prototype.scrollIntoView ??= vi.fn();
document.hasFocus = () => true;
