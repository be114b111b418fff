/** What this process last saw: lists, items and categories, so that a page is full when the gateway is not there.
 *
 * The newest part is kept on disk, so that a process that starts alone still has shelves.
 */

import "server-only";

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BoundedMap } from "./bounded-map";
import type { Item, Recommendation } from "./gateway";
import { readSettings } from "./settings";

const LISTS_MAX = 2_000;
const ITEMS_MAX = 10_000;
const PAGES_MAX = 500;
const LISTS_ON_DISK_MAX = 200;
const ITEMS_ON_DISK_MAX = 2_000;
const PAGES_ON_DISK_MAX = 100;
const WRITE_INTERVAL_MS = 5_000;
const FILE_NAME = "last.json";

export interface Kept<T> {
  readonly value: T;
  readonly atMs: number;
}

interface Saved {
  lists: [string, Kept<Recommendation>][];
  items: [string, Item][];
  pages: [string, Kept<unknown>][];
}

export class Memory {
  readonly #lists = new BoundedMap<Kept<Recommendation>>(LISTS_MAX);
  readonly #items = new BoundedMap<Item>(ITEMS_MAX);
  readonly #pages = new BoundedMap<Kept<unknown>>(PAGES_MAX);
  #writeDue: NodeJS.Timeout | null = null;

  constructor(
    private readonly folder: string,
    private readonly clockMs: () => number = Date.now,
  ) {
    this.#restore();
  }

  rememberList(key: string, list: Recommendation): void {
    this.#lists.set(key, { value: list, atMs: this.clockMs() });
    for (const entry of list.items) this.#items.set(entry.item_id, entry.item);
    this.#scheduleWrite();
  }

  list(key: string): Kept<Recommendation> | undefined {
    return this.#lists.get(key);
  }

  rememberItem(item: Item): void {
    this.#items.set(item.item_id, item);
    this.#scheduleWrite();
  }

  item(itemId: string): Item | undefined {
    return this.#items.get(itemId);
  }

  /** Anything else that a page is made of, by a name of its own. */
  rememberPage(key: string, value: unknown): void {
    this.#pages.set(key, { value, atMs: this.clockMs() });
    this.#scheduleWrite();
  }

  page<T>(key: string): Kept<T> | undefined {
    return this.#pages.get(key) as Kept<T> | undefined;
  }

  /** Writes the newest part whole or not at all; a disk that refuses costs nothing but this copy. */
  write(): void {
    if (!this.folder) return;
    const saved: Saved = {
      lists: this.#lists.newest(LISTS_ON_DISK_MAX),
      items: this.#items.newest(ITEMS_ON_DISK_MAX),
      pages: this.#pages.newest(PAGES_ON_DISK_MAX),
    };
    const draft = join(this.folder, `.${FILE_NAME}.${process.pid}`);
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      writeFileSync(draft, JSON.stringify(saved), { mode: 0o600 });
      renameSync(draft, join(this.folder, FILE_NAME));
    } catch (error) {
      console.error("last_lists_not_written", { error: String(error) });
    }
  }

  #scheduleWrite(): void {
    if (!this.folder || this.#writeDue) return;
    this.#writeDue = setTimeout(() => {
      this.#writeDue = null;
      this.write();
    }, WRITE_INTERVAL_MS).unref();
  }

  #restore(): void {
    if (!this.folder) return;
    try {
      const saved = JSON.parse(readFileSync(join(this.folder, FILE_NAME), "utf8")) as Partial<Saved>;
      for (const [key, kept] of saved.lists ?? []) this.#lists.set(key, kept);
      for (const [key, item] of saved.items ?? []) this.#items.set(key, item);
      for (const [key, kept] of saved.pages ?? []) this.#pages.set(key, kept);
    } catch {
      // No file yet, or a damaged one: both mean that nothing is remembered.
    }
  }
}

/** The process's one memory. Pages and route handlers are bundled apart, so it hangs on the global object. */
export function memory(): Memory {
  const holder = globalThis as typeof globalThis & { evershelfMemory?: Memory };
  holder.evershelfMemory ??= new Memory(readSettings().dataDir);
  return holder.evershelfMemory;
}
