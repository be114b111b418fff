/** Category paths in words. */

/** `coffee-makers` → `Coffee makers`. */
export function inWords(name: string): string {
  const spaced = name.replaceAll(/[-_]+/g, " ").trim();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

export interface Crumb {
  readonly path: string;
  readonly name: string;
}

/** `home/kitchen/mugs` → the three paths from the top down, with their names. */
export function crumbs(path: string): Crumb[] {
  const parts = path.split("/").filter(Boolean);
  return parts.map((part, place) => ({ path: parts.slice(0, place + 1).join("/"), name: inWords(part) }));
}
