/**
 * A dialog, on the browser's own: it keeps the focus inside, closes on Escape, and gives the focus back.
 *
 * Law of this file: nothing here makes styles of its own, as libraries for dialogs do: the page's
 * Content-Security-Policy takes styles from its file alone.
 */

import { type ReactElement, type ReactNode, useEffect, useId, useRef } from "react";
import { Icon } from "./icons";

interface Props {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** `side`: along the edge of a small screen. */
  readonly shape?: "middle" | "left" | "right" | "top";
  readonly hideTitle?: boolean;
}

export function Dialog({ title, onClose, children, shape = "middle", hideTitle = false }: Props): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();

  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    if (element !== null && !element.open) element.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);

  return (
    // the browser closes it by Escape; a click beside it is for those who have a mouse
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions, jsx-a11y/click-events-have-key-events
    <dialog
      ref={dialog}
      className={`dialog dialog-${shape}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <div className="dialog-inside">
        <header className={hideTitle ? "unseen" : "dialog-head"}>
          <h2 id={heading}>{title}</h2>
          {!hideTitle && (
            <button type="button" className="button-icon" aria-label="Close" onClick={onClose}>
              <Icon name="close" />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}
