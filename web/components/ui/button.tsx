/** Buttons, and links that look like them: at least 24 px high, whatever they hold. */

import { classNames } from "@/lib/class-names";

const SHAPE = "inline-flex items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap transition-colors disabled:cursor-not-allowed disabled:opacity-50";
const KINDS = {
  primary: "bg-accent text-accent-ink hover:opacity-90",
  secondary: "border border-line-strong/50 bg-surface hover:bg-sunken",
  quiet: "hover:bg-sunken",
  danger: "bg-bad text-canvas hover:opacity-90",
} as const;
const SIZES = { small: "h-7 px-2 text-xs", medium: "h-9 px-3 text-sm", large: "h-11 px-5 text-base" } as const;

export interface ButtonLook {
  readonly kind?: keyof typeof KINDS;
  readonly size?: keyof typeof SIZES;
}

export function buttonClasses({ kind = "secondary", size = "medium" }: ButtonLook, className?: string): string {
  return classNames(SHAPE, KINDS[kind], SIZES[size], className);
}

export function Button({ kind, size, className, ...rest }: ButtonLook & React.ComponentProps<"button">) {
  return <button type="button" {...rest} className={buttonClasses({ ...(kind && { kind }), ...(size && { size }) }, className)} />;
}
