import { defineConfig, globalIgnores } from "eslint/config";
import nextTypescript from "eslint-config-next/typescript";
import nextVitals from "eslint-config-next/core-web-vitals";

export default defineConfig([
  ...nextVitals,
  ...nextTypescript,
  {
    rules: {
      // Pictures are small SVGs: there is nothing to optimise, and an image server would be one more part to fail.
      "@next/next/no-img-element": "off",
      "max-lines": ["error", 400],
    },
  },
  globalIgnores([".next/**", ".built/**", "next-env.d.ts", "lib/gateway-types.ts", "screenshots/**", "test-results/**"]),
]);
