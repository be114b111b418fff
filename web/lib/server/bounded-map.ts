/** A map that forgets what was used least recently once it is full. */

export class BoundedMap<V> {
  readonly #entries = new Map<string, V>();

  constructor(readonly sizeMax: number) {}

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.sizeMax) break;
      this.#entries.delete(oldest);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The `countMax` newest entries, oldest first, so that setting them again in order restores the order. */
  newest(countMax: number): [string, V][] {
    return [...this.#entries].slice(-countMax);
  }
}
