# Storefront and operator console: one Next.js process. Build from the repository's root:
#   docker build -f deploy/docker/web.Dockerfile -t evershelf/web .
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY web ./
RUN ./build && mkdir -p /var/lib/evershelf/web

FROM ${NODE_IMAGE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="evershelf-web" \
      org.opencontainers.image.description="Evershelf's storefront and operator console." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /build/web/.next/standalone /opt/evershelf/web
COPY --from=build --chown=10001:10001 /var/lib/evershelf /var/lib/evershelf
ENV NODE_ENV=production \
    NEXT_TELEMETRY_DISABLED=1 \
    HOSTNAME=0.0.0.0 \
    PORT=3000 \
    EVERSHELF_WEB_DATA_DIR=/var/lib/evershelf/web
USER 10001:10001
WORKDIR /opt/evershelf/web
VOLUME ["/var/lib/evershelf/web"]
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:3000/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "server.js"]
