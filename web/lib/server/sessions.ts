/** Console sessions: a signed cookie that says until when it holds. Nothing is kept on the server. */

import "server-only";

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { BoundedMap } from "./bounded-map";
import { readSettings } from "./settings";

export const SESSION_COOKIE = "evershelf_console";
export const SESSION_S = 12 * 3_600;
const FAILURES_MAX = 10;
const FAILURE_WINDOW_MS = 60_000;
const ADDRESSES_MAX = 10_000;
const ADDRESS_LENGTH_MAX = 64;

/** A new cookie value. It is void once the password or the secret changes. */
export function newSession(nowMs: number): string {
  const until = String(Math.floor(nowMs / 1_000) + SESSION_S);
  return `${until}.${signature(until)}`;
}

export function isValidSession(cookie: string | undefined, nowMs: number): boolean {
  if (!cookie || !isConsoleOpen()) return false;
  const [until = "", signed = ""] = cookie.split(".");
  return isEqual(signed, signature(until)) && Number(until) * 1_000 > nowMs;
}

export function isPassword(attempt: string): boolean {
  return isConsoleOpen() && isEqual(attempt, readSettings().password);
}

/** Without a password, a secret and a key of its own there is no console: nothing opens by default. */
export function isConsoleOpen(): boolean {
  const { password, sessionSecret, adminKey } = readSettings();
  return password.length >= 12 && sessionSecret.length >= 32 && adminKey.length > 0;
}

/** Counts failed logins of each address; after ten within a minute the door stays shut to it until the minute is over. */
export class LoginGuard {
  readonly #failures = new BoundedMap<readonly number[]>(ADDRESSES_MAX);

  isShut(address: string, nowMs: number): boolean {
    return this.#recent(address, nowMs).length >= FAILURES_MAX;
  }

  noteFailure(address: string, nowMs: number): void {
    this.#failures.set(address, [...this.#recent(address, nowMs), nowMs].slice(-FAILURES_MAX));
  }

  #recent(address: string, nowMs: number): readonly number[] {
    return (this.#failures.get(address) ?? []).filter((at) => nowMs - at < FAILURE_WINDOW_MS);
  }
}

/** Who knocks, as the outermost of our proxies saw it. Without a proxy nothing can be believed, and all are one. */
export function addressOf(headers: Headers): string {
  const { proxies } = readSettings();
  if (proxies === 0) return "";
  return headers.get("x-forwarded-for")?.split(",").at(-proxies)?.trim().slice(0, ADDRESS_LENGTH_MAX) ?? "";
}

function signature(until: string): string {
  const { sessionSecret, password } = readSettings();
  return createHmac("sha256", sessionSecret).update(`${until}\n${password}`).digest("base64url");
}

function isEqual(left: string, right: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
