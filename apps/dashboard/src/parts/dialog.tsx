import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

interface DialogProps {
  readonly class: string;
  readonly labelledBy: string;
  /** Not while something is under way, whose outcome should be seen. */
  readonly isHeld?: boolean;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** A modal one: the browser keeps the focus inside, gives it back afterwards, and closes it on Escape. */
export function Dialog({ class: name, labelledBy, isHeld = false, onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  // Of the layout: other effects are undone only after the dialog has left the document.
  useLayoutEffect(() => {
    const dialog = element.current;
    if (!dialog) return undefined;
    dialog.showModal();
    dialog.addEventListener('close', onClose);
    return () => {
      dialog.removeEventListener('close', onClose);
      // Taken away while open, it would not give the focus back.
      dialog.close();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={name}
      aria-labelledby={labelledBy}
      onCancel={(event) => {
        if (isHeld) event.preventDefault();
      }}
      onClick={(event) => {
        // The backdrop is the dialog itself; its contents fill the rest.
        if (event.target === element.current && !isHeld) element.current?.close();
      }}
    >
      <div class="dialog-in">{children}</div>
    </dialog>
  );
}
