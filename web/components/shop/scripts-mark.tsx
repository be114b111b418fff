"use client";

/** Tells the server that this browser runs scripts, so that its next pages may stream. */

import { useEffect } from "react";

const COOKIE = "evershelf_scripts=1; path=/; max-age=15552000; samesite=lax";

export function ScriptsMark() {
  useEffect(() => {
    document.cookie = COOKIE;
  }, []);
  return null;
}
