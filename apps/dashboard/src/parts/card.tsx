import type { ComponentChildren } from 'preact';

export function CardTitle({
  id,
  children,
  aside,
}: {
  id: string;
  children: ComponentChildren;
  aside?: ComponentChildren;
}) {
  return (
    <div class="card-title">
      <h2 id={id}>{children}</h2>
      {aside !== undefined && <span class="card-aside">{aside}</span>}
    </div>
  );
}
