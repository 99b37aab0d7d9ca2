/**
 * What ties React to the model and to the browser.
 *
 * Law of this file: a component that reads a model says so by `useModel`, and is drawn again when it changes.
 */

import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { Observable } from "../model/observable";
import type { Preferences } from "../model/preferences";
import type { Session } from "../model/session";

/** Draw again whenever this changes. */
export function useModel<T extends Observable>(model: T): T {
  useSyncExternalStore(model.subscribe, model.version);
  return model;
}

/** Whether a media query holds. */
export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const change = (): void => setMatches(list.matches);
    change();
    list.addEventListener("change", change);
    return () => list.removeEventListener("change", change);
  }, [query]);
  return matches;
}

/** Whether somebody is at this page: it is visible and has the keyboard. */
export function useAttention(): boolean {
  const look = (): boolean => document.visibilityState === "visible" && document.hasFocus();
  const [here, setHere] = useState(look);
  useEffect(() => {
    const change = (): void => setHere(look());
    change();
    const events = ["focus", "blur"] as const;
    for (const event of events) window.addEventListener(event, change);
    document.addEventListener("visibilitychange", change);
    return () => {
      for (const event of events) window.removeEventListener(event, change);
      document.removeEventListener("visibilitychange", change);
    };
  }, []);
  return here;
}

/** The seconds until a time, counted down. */
export function useCountdown(until: number): number {
  const left = (): number => Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const timer = setInterval(() => setSeconds(left()), 500);
    return () => clearInterval(timer);
  }, [until]); // eslint-disable-line react-hooks/exhaustive-deps
  return seconds;
}

export interface Page {
  readonly session: Session;
  readonly preferences: Preferences;
  /** Which dialog is open. */
  readonly show: (dialog: Dialogue | null) => void;
  /** Put a word into the composer. */
  readonly write: (text: string) => void;
  /** Put a text back into the composer, below what stands there. */
  readonly restore: (text: string) => void;
}

export type Dialogue = "go" | "settings" | "keys" | "commands" | "rooms" | "people";

export const PageContext = createContext<Page | null>(null);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === null) throw new Error("no page round this component");
  return page;
}
