import type { NextConfig } from "next";

const config: NextConfig = {
  output: "standalone",
  // The repository holds no other package.json; without this, Next guesses a root from files around it.
  outputFileTracingRoot: import.meta.dirname,
  turbopack: { root: import.meta.dirname },
  poweredByHeader: false,
  reactStrictMode: true,
  // Pictures are small SVGs of our own route, and pictures of an operator's items belong to their server.
  images: { unoptimized: true },
  typedRoutes: false,
};

export default config;
