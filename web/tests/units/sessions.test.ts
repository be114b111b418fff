import { afterEach, expect, test, vi } from "vitest";
import { addressOf, isConsoleOpen, isPassword, isValidSession, LoginGuard, newSession, SESSION_S } from "@/lib/server/sessions";

const NOW_MS = 1_700_000_000_000;

function open(password = "correct horse battery", secret = "s".repeat(32)): void {
  vi.stubEnv("EVERSHELF_WEB_PASSWORD", password);
  vi.stubEnv("EVERSHELF_WEB_SESSION_SECRET", secret);
  vi.stubEnv("EVERSHELF_WEB_ADMIN_KEY", "evs_key");
}

afterEach(() => vi.unstubAllEnvs());

test("a session holds until its end, and not beyond", () => {
  open();
  const session = newSession(NOW_MS);
  expect(isValidSession(session, NOW_MS)).toBe(true);
  expect(isValidSession(session, NOW_MS + SESSION_S * 1_000)).toBe(false);
});

test("a session with another end, or of another password or secret, is none", () => {
  open();
  const session = newSession(NOW_MS);
  expect(isValidSession(session.replace(/^\d+/, "9999999999"), NOW_MS)).toBe(false);
  open("another password of theirs");
  expect(isValidSession(session, NOW_MS)).toBe(false);
  open(undefined, "t".repeat(32));
  expect(isValidSession(session, NOW_MS)).toBe(false);
});

test("nothing opens by default", () => {
  for (const name of ["PASSWORD", "SESSION_SECRET", "ADMIN_KEY"]) vi.stubEnv(`EVERSHELF_WEB_${name}`, "");
  expect(isConsoleOpen()).toBe(false);
  expect(isPassword("")).toBe(false);
  expect(isValidSession(newSession(NOW_MS), NOW_MS)).toBe(false);
});

test("ten wrong passwords shut the door for a minute, to their address alone", () => {
  const guard = new LoginGuard();
  for (let attempt = 0; attempt < 10; attempt += 1) guard.noteFailure("192.0.2.1", NOW_MS);
  expect(guard.isShut("192.0.2.1", NOW_MS)).toBe(true);
  expect(guard.isShut("192.0.2.2", NOW_MS)).toBe(false);
  expect(guard.isShut("192.0.2.1", NOW_MS + 60_000)).toBe(false);
});

test("an address is what our outermost proxy saw, not what a caller says of itself", () => {
  const headers = new Headers({ "x-forwarded-for": "10.9.8.7, 192.0.2.1, 10.0.0.1" });
  vi.stubEnv("EVERSHELF_WEB_PROXIES", "2");
  expect(addressOf(headers)).toBe("192.0.2.1");
  expect(addressOf(new Headers())).toBe("");
  vi.stubEnv("EVERSHELF_WEB_PROXIES", "");
  expect(addressOf(headers)).toBe("");
});
