/** Form fields with their labels. */

import { classNames } from "@/lib/class-names";

const BOX = "h-9 w-full min-w-0 rounded-md border border-line-strong bg-canvas px-2 text-sm placeholder:text-muted";

export function TextField({ label, className, ...rest }: { label: string } & React.ComponentProps<"input">) {
  return (
    <label className={classNames("block text-xs text-muted", className)}>
      {label}
      <input {...rest} className={classNames(BOX, "mt-0.5 text-ink")} />
    </label>
  );
}

export function SelectField({ label, className, children, ...rest }: { label: string } & React.ComponentProps<"select">) {
  return (
    <label className={classNames("block text-xs text-muted", className)}>
      {label}
      <select {...rest} className={classNames(BOX, "mt-0.5 pr-6 text-ink")}>
        {children}
      </select>
    </label>
  );
}

export function CheckField({ label, ...rest }: { label: React.ReactNode } & React.ComponentProps<"input">) {
  return (
    <label className="flex min-h-6 items-center gap-2 text-sm">
      <input type="checkbox" {...rest} className="size-4 accent-[var(--accent)]" />
      {label}
    </label>
  );
}
